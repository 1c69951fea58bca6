import os
import subprocess
import sys
from pathlib import Path

import pytest

from maker.errors import BuildError
from maker.workspace import Workspace, atomic, digest, file_state, prepare_output

HOLDS = """
import sys
from pathlib import Path
from maker.workspace import Workspace, atomic

with Workspace.open(Path(sys.argv[1])) as work, atomic(work.file("result")) as temporary:
    temporary.write_text("half")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def living(tmp_path):
    """A process that works in the folder `work` and has half a result there."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path / "work")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def fail_while_writing(target: Path) -> None:
    with atomic(target) as temporary:
        temporary.write_text("other")
        raise RuntimeError


def partials(folder: Path) -> list[Path]:
    return list(folder.rglob("*.partial"))


def test_a_write_takes_its_name_only_when_it_is_whole(tmp_path):
    target = tmp_path / "deep" / "a.txt"
    with atomic(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    with pytest.raises(RuntimeError):
        fail_while_writing(target)
    assert target.read_text() == "whole"
    assert not partials(tmp_path)


def test_a_second_process_does_not_work_in_the_same_folder(living, tmp_path):
    with pytest.raises(BuildError, match=r"work: another maker uses this work folder; wait until it ends, or pass another --work-dir"):
        Workspace.open(tmp_path / "work").__enter__()


def test_what_a_killed_process_left_is_removed_by_the_next(living, tmp_path):
    living.kill()
    living.wait()
    assert partials(tmp_path)
    with Workspace.open(tmp_path / "work"):
        assert not partials(tmp_path)


def test_what_a_living_process_writes_stays(living, tmp_path):
    before = partials(tmp_path)
    assert before
    prepare_output(tmp_path / "work" / "result", overwrite=False)
    assert partials(tmp_path) == before


def test_preparing_an_output_removes_what_a_killed_process_left_of_it(living, tmp_path):
    living.kill()
    living.wait()
    other = tmp_path / "work" / ".other.12345678.partial"
    other.touch()
    prepare_output(tmp_path / "work" / "result", overwrite=False)
    assert partials(tmp_path) == [other]


def test_an_existing_output_is_refused_unless_it_is_to_be_replaced(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(BuildError, match="a: exists already; pass --overwrite"):
        prepare_output(tmp_path / "a", overwrite=False)
    prepare_output(tmp_path / "a", overwrite=True)
    with pytest.raises(BuildError, match="is a folder"):
        prepare_output(tmp_path, overwrite=True)


def test_a_file_that_took_anothers_name_size_and_time_is_told_apart(tmp_path):
    first = tmp_path / "a"
    first.write_text("one")
    before = file_state(first)
    assert file_state(first) == before
    stat = first.stat()
    second = tmp_path / "b"
    second.write_text("two")
    second.replace(first)
    os.utime(first, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert file_state(first) != before
    assert file_state(tmp_path / "none") is None


def test_keys_differ_where_inputs_do():
    assert digest("a", 1) == digest("a", 1)
    assert digest("a", 1) != digest("a", "1")
    assert digest(["a", "b"]) != digest(["ab"])
    assert digest("\ud800") != digest("\udfff")  # names that are not UTF-8


def test_an_interrupt_between_opening_and_writing_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(file):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["maker.workspace.atomic"], "_lock", interrupted)  # the package's `atomic` is the function
    with pytest.raises(KeyboardInterrupt), atomic(tmp_path / "a.txt"):
        pass
    assert not partials(tmp_path)


def test_rejects_are_found_under_their_old_name():
    from maker.data.rejects import Rejects as old
    from maker.workspace import Rejects

    assert old is Rejects
