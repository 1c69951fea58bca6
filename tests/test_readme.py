"""What the README says is run: its commands and programs, on small data in one folder, and the names that it gives."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import task.core
import task.processor
import task.text
import task.vision
from maker import searcher
from maker.cli import main
from maker.graph.model import Model
from maker.preview import vendor
from tests.conftest import DIMENSION, SIDE, PooledColours

if importlib.util.find_spec("tomllib"):
    import tomllib
else:
    tomllib = None  # CPython 3.10

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ITEMS = 400
NOT_PROGRAMS = {"kotlin", "js", "json", "text"}  # languages of blocks that other tests compile or that nothing runs
FIRST_WORDS = ("make", "maker", "pip", "python")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def shell_commands() -> list[str]:
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [" ".join(shlex.split(line, comments=True, posix=False)) for line in lines if line.split("#")[0].strip()]


def spans() -> list[str]:
    """What stands between backticks in the running text."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def files(tmp_path_factory, encoder) -> Path:
    """All files that the README's commands name, each small."""
    place = tmp_path_factory.mktemp("readme")
    write_photos(place / "photos")
    shutil.move(place / "photos" / "captions.tsv", place / "captions.tsv")
    shutil.copy(place / "photos" / "0.png", place / "query.jpg")
    shutil.copy(encoder, place / "embedder.tflite")
    write_image_model(place / "mobilenet_v2_1.0_224_quant.tflite", "MobilenetV2/Logits/AvgPool")
    np.save(place / "e.npy", embeddings())
    (place / "items.txt").write_text("".join(f"{name}\n" for name in metadata()), encoding="utf-8")
    data, options = (
        searcher.DataLoader(str(encoder), embeddings(), metadata()),
        searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1)),
    )
    searcher.Searcher.create_from_data(data, options).export(export_filename=place / "searcher.tflite")
    return place


@pytest.fixture
def folder(files, tmp_path, monkeypatch) -> Path:
    """A copy of them, in which a test stands."""
    place = tmp_path / "readme"
    shutil.copytree(files, place)
    monkeypatch.chdir(place)
    return place


def write_photos(photos: Path) -> None:
    photos.mkdir()
    lines = ["image\tsplit\tcaption"]
    for number in range(24):
        name = ("red", "green", "blue")[number % 3]
        Image.new("RGB", (30, 20), name).save(photos / f"{number}.png")
        lines += [f"{number}.png\t{'val' if number >= 16 else 'train'}\ta {way} {name} picture" for way in ("plain", "small")]
    (photos / "captions.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_image_model(path: Path, tensor: str) -> None:
    model = Model("image model")
    g = model.subgraph("main")
    pixels = g.tensor("input", (1, SIDE, SIDE, 3), np.uint8)
    model.signature(g, {"input": pixels}, {tensor: PooledColours().write(g, pixels)})
    model.write(path)


def embeddings() -> np.ndarray:
    values = np.random.default_rng(0).standard_normal((ITEMS, DIMENSION)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def metadata() -> list[str]:
    return [f"{number % 24}.png" for number in range(ITEMS)]


def test_every_block_is_of_a_language_that_is_run_here():
    languages = set(re.findall(r"^```(\S+)$", README, re.MULTILINE))
    assert languages - NOT_PROGRAMS <= {"sh", "python"}
    assert blocks("sh")
    assert blocks("python")


@pytest.mark.parametrize("command", shell_commands())
@pytest.mark.usefixtures("folder")
def test_a_command_works(command, capsys):
    words = shlex.split(command)
    if words[0] == "maker":
        run_maker(words[1:], capsys)
    elif words[0] == "make":
        assert_make_knows(words[1:])
    elif words[:2] == ["pip", "install"]:
        assert_installable(words[2:])
    elif words[:2] == ["python", "-m"]:
        assert importlib.util.find_spec(words[2])
    else:
        pytest.fail(f"{command}: this test does not know how to run it")


def run_maker(arguments: list[str], capsys) -> None:
    """Runs a verb for real; only serving, which never ends, and training for long are left out."""
    if arguments[0] == "preview" and vendor.missing_files():
        pytest.skip("LiteRT.js is not there; python -m maker.preview.vendor fetches it with npm")
    if arguments[0] == "build":
        arguments = [*arguments, "--epochs", "1", "--batch-size", "8", "--dimension", str(DIMENSION)]
    if "--output" in arguments:
        Path(arguments[arguments.index("--output") + 1]).unlink(missing_ok=True)
    status = main([a for a in arguments if a != "--serve"])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    assert printed.out


def assert_make_knows(targets: list[str]) -> None:
    done = subprocess.run(["make", "-n", *targets], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def assert_installable(arguments: list[str]) -> None:
    """That the extras are there; tests/install and `make demo` install for real."""
    named = re.fullmatch(r"\.(?:\[([\w,]+)\])?", arguments[-1])
    assert named, f"{arguments[-1]}: neither this folder nor one with extras"
    if tomllib is None:
        pytest.skip("CPython 3.10 has no tomllib")
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set((named[1] or "").split(",")) - {""} <= set(known)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_a_program_works(number, capsys):
    program = blocks("python")[number]
    exec(compile(program, f"README.md, program {number}", "exec"), {"embeddings": embeddings(), "metadata": metadata()})
    if "print(" in program:
        assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("command", sorted({s for s in spans() if s.split()[0] in FIRST_WORDS and " " in s}))
def test_a_command_in_the_text_exists(command, capsys):
    words = shlex.split(command)
    if words[0] == "make":
        assert_make_knows(words[1:])
    elif words[0] == "pip":
        assert_installable(words[2:])
    elif words[0] == "python":
        assert importlib.util.find_spec(words[2])
    else:
        unknown = {flag for flag in words if flag.startswith("-")} - flags(words[1], capsys)
        assert not unknown


def test_options_in_the_text_exist(capsys):
    verbs = re.findall(r"^    ([a-z][a-z-]*)(?:  |$)", help_of([], capsys), re.MULTILINE)
    known = set().union(*(flags(verb, capsys) for verb in verbs))
    named = {span.split()[0] for span in spans() if span.startswith("--")}
    assert named
    assert named <= known


def flags(verb: str, capsys) -> set[str]:
    return set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", help_of([verb], capsys)))


def help_of(arguments: list[str], capsys) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def migration_rows() -> list[tuple[str, str]]:
    table = README.split("| there | here |\n|---|---|\n")[1].split("\n\n")[0]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines()]


@pytest.mark.parametrize(("there", "here"), migration_rows())
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
