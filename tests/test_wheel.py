"""What the wheel holds: the two packages whole, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from maker.preview import vendor

ROOT = Path(__file__).parents[1]
PACKAGES = ("maker", "task")
BESIDE = ("pyproject.toml", "README.md", "LICENSE")
LITERT_JS = vendor.FOLDER.relative_to(ROOT)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """Built from a copy of the sources: setuptools leaves what it copied in `build`, and takes it for the next wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / "source" / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in BESIDE:
        shutil.copy(ROOT / name, folder / "source")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    done = subprocess.run([*command, str(folder / "source")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def files(wheel: zipfile.ZipFile) -> set[str]:
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


def test_every_file_of_the_packages_is_in_the_wheel(wheel):
    sources = [p for package in PACKAGES for p in (ROOT / package).rglob("*") if p.is_file()]
    hidden = [p for p in sources if p.name.startswith(".") or "__pycache__" in p.parts]
    assert files(wheel) == {p.relative_to(ROOT).as_posix() for p in sources if p not in hidden}


def test_type_checkers_are_told_that_the_packages_are_typed(wheel):
    assert {f"{package}/py.typed" for package in PACKAGES} <= files(wheel)


def test_the_wheel_has_no_tests_no_weights_and_no_data(wheel):
    assert {name.split("/")[0] for name in files(wheel)} == set(PACKAGES)
    suffixes = {Path(name).suffix for name in files(wheel)}
    assert suffixes <= {
        ".py",
        ".js",
        ".json",
        ".css",
        ".html",
        ".svg",
        ".txt",
        ".wasm",
        ".xz",
        ".jinja",
        ".j2",
        ".md",
        ".typed",
        ".kt",
        ".xml",
    }
    own = [i for i in wheel.infolist() if not i.filename.startswith(LITERT_JS.as_posix())]
    assert max(i.file_size for i in own) < 200_000
    assert sum(i.file_size for i in own if not i.filename.endswith(".py")) < 500_000


def test_the_wheel_holds_the_web_page_s_parts_where_they_were_fetched(wheel):
    fetched = {name for name in files(wheel) if name.startswith(LITERT_JS.as_posix())}
    if vendor.missing_files():
        assert not fetched
        pytest.skip("LiteRT.js is not fetched: python -m maker.preview.vendor")
    assert fetched == {(LITERT_JS / vendor.packed_path(name).name).as_posix() for name in (*vendor.FILES.values(), "NOTICE.txt")}


def test_the_wheel_says_what_it_needs(wheel):
    (folder,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    stated = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
    needed = {r.split(";")[0].split(">")[0] for r in stated.get_all("Requires-Dist") if "extra ==" not in r}
    assert needed == {"ai-edge-litert", "flatbuffers", "numpy", "typing-extensions"}
    assert stated["Requires-Python"] == "<3.15,>=3.10"
    assert stated["License-Expression"] == "Apache-2.0"
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
    assert "maker = maker.cli:main" in wheel.read(f"{folder}/entry_points.txt").decode()
