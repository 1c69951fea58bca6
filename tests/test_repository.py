"""What stands around the code: that its files agree with each other and with the Makefile."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ANDROID = ROOT / "android_demo"


def text(*parts: str) -> str:
    return ROOT.joinpath(*parts).read_text(encoding="utf-8")


def test_the_workflow_runs_the_targets_of_ci_run():
    ours = re.findall(r"^make (\S+)$", text(".ci", "run"), re.MULTILINE)
    (theirs,) = re.findall(r"^ +target: \[(.*)\]$", text(".github", "workflows", "ci.yml"), re.MULTILINE)
    only_there = re.findall(r"^# Only the workflow runs: ([\w-]+)", text(".ci", "run"), re.MULTILINE)
    assert sorted(theirs.split(", ")) == sorted([*ours, *only_there])


def test_every_test_target_runs_in_ci():
    (run,) = re.findall(r"^ +target: \[(.*)\]$", text(".github", "workflows", "ci.yml"), re.MULTILINE)
    targets = set(re.findall(r"^(test[a-z-]*|docs|conformance|notebook|android):", text("Makefile"), re.MULTILINE))
    assert targets - set(run.split(", ")) == {"test-all"}  # `test`, and slow tests, some of which need data that is not here


def test_all_make_targets_that_documents_name_exist():
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs/data.md", ".github/pull_request_template.md"):
        named = re.findall(r"`make ([a-z -]+)`", text(name))
        assert {target for line in named for target in line.split()} - targets == set(), name


def test_help_shows_every_target():
    phony = re.search(r"^\.PHONY: (.*)$", text("Makefile"), re.MULTILINE)
    assert phony
    shown = re.findall(r"^([a-z-]+):.*##", text("Makefile"), re.MULTILINE)
    assert set(phony[1].split()) == set(shown)


def test_the_newest_changelog_section_is_this_version_or_the_next():
    first = re.search(r"^## \[(.*)\] - (.*)$", text("CHANGELOG.md"), re.MULTILINE)
    version = re.search(r'^version = "(.*)"$', text("pyproject.toml"), re.MULTILINE)
    assert first
    assert version
    assert first[1] == version[1] or first[2] == "unreleased"
    assert f'versionName = "{version[1]}"' in text("android_demo", "app", "build.gradle.kts")


def test_the_gradle_wrapper_is_the_one_that_its_documents_name():
    jar = hashlib.sha256((ANDROID / "gradle" / "wrapper" / "gradle-wrapper.jar").read_bytes()).hexdigest()
    assert jar in text("docs", "guide", "android.md")
    properties = text("android_demo", "gradle", "wrapper", "gradle-wrapper.properties")
    assert re.search(r"^distributionSha256Sum=[0-9a-f]{64}$", properties, re.MULTILINE)
    assert (ANDROID / "gradlew").stat().st_mode & 0o111


def test_the_repository_has_one_address():
    files = [path for path in ROOT.glob("*.md")] + [ROOT / "pyproject.toml", *(ROOT / ".github").rglob("*.yml")]
    found = {
        url for path in files for url in re.findall(r"https://github\.com/[\w-]*pocket[\w-]*/[\w-]+", path.read_text(encoding="utf-8"))
    }
    assert found == {"https://github.com/pocket-searcher/pocket-searcher"}
