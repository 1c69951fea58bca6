"""What the documents say is run: commands and programs page by page, in a folder of small files; and the names that they give exist."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import task.core
import task.processor
import task.text
import task.vision
from maker import searcher
from maker.cli import main
from maker.preview import vendor
from tests.documents.files import SHORT, SHORT_READY, TOWER, embeddings, make_files, metadata
from tests.documents.offline import remote_assets
from tests.documents.pages import PAGES, ROOT, Block, blocks, name_of, prose, spans

if importlib.util.find_spec("tomllib"):
    import tomllib
else:
    tomllib = None  # CPython 3.10

RUN_HERE = {"test": [], "test-all": [pytest.mark.slow]}  # the targets that run blocks by these tests
NOT_PROGRAMS = {"kotlin", "js", "html", "json", "text", "xml"}  # other tests compile these, or nothing runs them
OUTSIDE = {"adb", "cd", "git", "npm", "sudo"}  # programs that are not the project's: named, not run
IN_TEXT = ("make", "maker", "pip", "python")
MODULES_RUN = ("task.benchmark",)
FETCHED = "$(maker fetch mobilenet_v2)"
README_LINES = 120


def cases() -> list[Any]:
    """A page for each target that runs blocks of it here."""
    return [
        pytest.param(page, target, id=f"{name_of(page)}-{target}", marks=marks)
        for page in PAGES
        for target, marks in RUN_HERE.items()
        if any(block.target == target and block.language in ("sh", "python") for block in blocks(page))
    ]


@pytest.fixture(scope="module")
def files(tmp_path_factory, encoder) -> Path:
    place = tmp_path_factory.mktemp("documents")
    before = Path.cwd()
    os.chdir(place)
    try:
        make_files(place, encoder)
    finally:
        os.chdir(before)
    return place


@pytest.fixture
def folder(files, tmp_path, monkeypatch) -> Path:
    """A copy of the files, in which a page is worked through. It shares the photos, so that a build finds its stages' results."""
    place = tmp_path / "page"
    shutil.copytree(files, place, ignore=shutil.ignore_patterns("photos"))
    (place / "photos").symlink_to(files / "photos")
    shutil.copytree(ROOT / "android_demo" / "app" / "src" / "main", place / "android_demo" / "app" / "src" / "main")
    shutil.copy(ROOT / "android_demo" / "settings.gradle.kts", place / "android_demo")
    monkeypatch.chdir(place)
    return place


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("page", "target"), cases())
def test_the_blocks_of_a_page_work_one_after_the_other(page, target, capsys):
    names: dict[str, Any] = {"embeddings": embeddings(), "metadata": metadata()}
    for block in blocks(page):
        if block.target not in ("test", target):
            continue
        try:
            run_block(block, names, capsys)
        except BaseException as error:
            raise AssertionError(f"{block.place}: {type(error).__name__}: {error}") from error


def run_block(block: Block, names: dict[str, Any], capsys) -> None:
    if block.language == "sh":
        for words in block.commands():
            run_command(words, capsys)
    elif block.language == "python":
        exec(compile(block.text, block.place, "exec"), names)
        if "print(" in block.text:
            assert capsys.readouterr().out.strip()


def run_command(words: list[str], capsys) -> None:
    program = Path(words[0]).name  # .venv/bin/python is python
    if program == "maker":
        run_maker(words[1:], capsys)
    elif program == "python":
        run_module(words[1:], capsys)
    elif program not in OUTSIDE:
        assert_exists([program, *words[1:]], capsys)


def run_maker(arguments: list[str], capsys) -> None:
    """Runs a verb for real; only serving, which never ends, training for long and downloads are left out."""
    arguments = [word.replace(FETCHED, TOWER) for word in arguments]
    if needs_network(arguments):
        assert_exists(["maker", *arguments], capsys)
        return
    if arguments[0] == "preview" and vendor.missing_files():
        assert_exists(["maker", *arguments], capsys)  # LiteRT.js was not fetched
        return
    if arguments[0] == "build":
        ready = {"--encoder", "--model"} & set(arguments) or "--captions" not in arguments  # no tower is trained on captions
        short = SHORT_READY if ready else SHORT
        arguments = [*arguments, *(word for option in short.items() if option[0] not in arguments for word in option)]
    if "--output" in arguments and "--overwrite" not in arguments:
        arguments = [*arguments, "--overwrite"]  # the folder holds a searcher already
    status = main([a for a in arguments if a != "--serve"])
    printed = capsys.readouterr()
    assert status == 0, f"maker {shlex.join(arguments)}: {printed.err}"
    assert printed.out


def needs_network(arguments: list[str]) -> bool:
    """Whether a verb downloads weights."""
    keras = any(word.startswith("keras:") for word in arguments) and "none" not in arguments
    return arguments[0] == "fetch" or keras or any(word.startswith("hf:") for word in arguments)


def run_module(arguments: list[str], capsys) -> None:
    assert_exists(["python", *arguments], capsys)
    if arguments[1] in MODULES_RUN:
        assert importlib.import_module(arguments[1]).main(arguments[2:]) == 0
        assert capsys.readouterr().out


def assert_exists(words: Sequence[str], capsys) -> None:
    """That a command could be run: its target, module, extra or options are there."""
    if words[0] == "make":
        assert not make_complaint(*words[1:])
    elif words[0] == "pip":
        assert_installable(words[1:])
    elif words[0] == "python":
        assert words[1] == "-m"
        assert importlib.util.find_spec(words[2]), f"there is no module {words[2]}"
    elif words[0] == "maker" and words[1].startswith("-"):
        assert words[1] in help_of([], capsys)
    elif words[0] == "maker":
        unknown = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} - flags(words[1], capsys)
        assert not unknown, f"maker {words[1]} has no {unknown}"
    else:
        pytest.fail(f"{shlex.join(words)}: this test does not know how to run it")


@lru_cache
def make_complaint(*targets: str) -> str:
    """What make says of targets that it does not know; empty where it knows them."""
    done = subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def assert_installable(arguments: Sequence[str]) -> None:
    """That the extras are there; tests/install and `make demo` install for real."""
    named = re.fullmatch(r"(?:\.|pocket-searcher)(?:\[([\w,-]+)\])?", arguments[-1])
    if arguments[0] != "install" or not named:
        assert "[" not in arguments[-1], f"{arguments[-1]}: neither this project nor a plain name"
        return
    if tomllib is not None:
        known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
        assert set((named[1] or "").split(",")) - {""} <= set(known)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_of_a_known_language_and_runs_somewhere(page, capsys):
    for block in blocks(page):
        assert block.language in {"sh", "python", *NOT_PROGRAMS}, f"{block.place}: {block.language!r}"
        assert_exists(["make", block.target], capsys)
        if block.language == "sh" and block.target not in RUN_HERE:
            for words in block.commands():
                if words[0] not in OUTSIDE:
                    assert_exists([Path(words[0]).name, *words[1:]], capsys)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_options_in_the_text_exist(page, capsys):
    known = set().union(module_options(page), *(flags(verb, capsys) for verb in verbs(capsys)))
    for span in spans(page):
        if span.startswith("--"):
            assert span.split()[0].partition("=")[0] in known, f"{name_of(page)}: {span}"
        elif span.split()[0] in IN_TEXT and " " in span and "…" not in span:
            assert_exists(shlex.split(span), capsys)


def module_options(page: Path) -> set[str]:
    """The options of the programs that a page runs as `python -m …`."""
    modules = set(re.findall(r"python -m ((?:task|tests)[\w.]*)", page.read_text(encoding="utf-8")))
    sources = [(ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8") for module in sorted(modules)]
    return set(re.findall(r'"(--[a-z][\w-]*)"', "".join(sources)))


@pytest.mark.parametrize("page", [page for page in PAGES if "docs" not in page.parts], ids=name_of)
def test_links_of_the_pages_outside_the_site_lead_somewhere(page):
    """Those within the site are looked at by `make docs`."""
    for target in re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", prose(page)):
        assert (page.parent / target.partition("#")[0]).exists(), f"{name_of(page)}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_the_text_names_exist(page):
    named = [span for span in spans(page) if re.fullmatch(r"(?:maker|task|tests|docs|android_demo)/[\w./]*", span)]
    assert [name for name in named if not (ROOT / name).exists()] == []


def verbs(capsys) -> list[str]:
    return re.findall(r"^    ([a-z][a-z-]*)(?:  |$)", help_of([], capsys), re.MULTILINE)


def flags(verb: str, capsys) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", help_of([verb], capsys)))


def help_of(arguments: list[str], capsys) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_page_of_the_command_line_has_every_verb(capsys):
    headings = re.findall(r"^## `maker ([a-z-]+)`$", (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(verbs(capsys))


def table(page: str, header: str) -> list[tuple[str, ...]]:
    """The rows of all tables of a page that have this header."""
    content = (ROOT / page).read_text(encoding="utf-8")
    tables = [part.split("\n\n")[0] for part in content.split(f"{header}\n|---|---|\n")[1:]]
    return [tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))) for rows in tables for line in rows.splitlines()]


@pytest.mark.parametrize(("there", "here"), table("docs/guide/task-library.md", "| there | here |"))
def test_names_in_the_migration_table_exist(there, here):
    for span in re.findall(r"`([^`]+)`", here):
        if span.startswith(("import ", "from ")):
            exec(span, {})
    for span in re.findall(r"`([^`]+)`", there + here):
        if not span.startswith(("import ", "from ")):
            for name in re.findall(r"\b[A-Z]\w+(?:\.\w+)*", span.split(": ")[0]):
                assert exists(name), f"{name}: neither in task nor in maker.searcher"


def exists(name: str) -> bool:
    places: list[ModuleType | type] = [searcher, searcher.ExportFormat, task.core, task.processor, task.text, task.vision]
    first, *rest = name.split(".")
    found = [getattr(place, first) for place in places if hasattr(place, first)]
    for part in rest:
        found = [here for thing in found for here in (attribute(thing, part),) if here is not None]
    return bool(found)


def attribute(thing: object, name: str) -> object | None:
    """An attribute of a class, or a field of a dataclass, which without a default is none."""
    return getattr(thing, name, None) or getattr(thing, "__dataclass_fields__", {}).get(name)


def messages() -> str:
    """Every text of the sources, a line each, `…` in the place of what is filled in."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for package in ("maker", "task") for path in (ROOT / package).rglob("*.py")]
    texts = []
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.JoinedStr):
            texts.append("".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(node.value)
    return "\n".join(" ".join(text.split()) for text in texts)


def test_the_messages_of_the_troubleshooting_page_are_the_programs_own():
    known = messages()
    listed = [message.strip("`") for message, _ in table("docs/troubleshooting.md", "| message | what to do |")]
    patterns = {m: ".*".join(re.escape(part.strip()) for part in m.split("…") if part.strip()) for m in listed}
    assert listed
    unknown = [message for message, pattern in patterns.items() if not re.search(pattern, known)]
    assert not unknown, "\n".join(unknown)


def test_a_page_that_loads_from_another_host_is_found(tmp_path):
    (tmp_path / "index.html").write_text(
        '<link rel="canonical" href="https://example.org/"><a href="https://example.org/">a link</a><script src="assets/a.js"></script>'
        '<script async src="https://example.org/a.js"></script><link rel=stylesheet href="//example.org/a.css">',
        encoding="utf-8",
    )
    (tmp_path / "a.css").write_text("@font-face { src: url(https://example.org/a.woff2) }", encoding="utf-8")
    assert [line.rpartition("/")[2] for line in remote_assets(tmp_path)] == ["a.js", "a.css", "a.woff2"]
