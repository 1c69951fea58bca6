"""Long embedding work in worker processes: nothing is left behind, whoever is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")

PHOTOS = 640  # ten blocks


@pytest.fixture
def many_photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(PHOTOS):
        Image.fromarray(np.full((300, 300, 3), number % 256, np.uint8)).save(folder / f"{number:04d}.png")
    return folder


@pytest.fixture(autouse=True)
def _two_cores():
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one core: the work is not done in worker processes")


def start(encoder: Path, photos: Path, output: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "maker.cli", "embed", str(encoder), str(photos), "--kind", "image", "--output", str(output)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=hear_interrupts
    )


def hear_interrupts() -> None:
    """A background job would ignore them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parent = re.search(r"^PPid:\s+(\d+)", status.read_text(), re.MULTILINE)
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent and int(parent[1]) == process.pid and b"spawn_main" in command:
            found.append(int(status.parent.name))
    return found


def is_running(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def has_numpy(pid: int) -> bool:
    try:
        return "numpy" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def busy(encoder: Path, photos: Path, output: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A command that has finished a block, and its workers."""
    process = start(encoder, photos, output)
    wait_for(lambda: list(output.with_suffix(".work").rglob("*.npz")) or process.poll() is not None)
    return process, workers_of(process)


def all_stopped_at_a_picture(workers: list[int], folder: Path) -> bool:
    """Stops the workers, and lets them go on if one is between two blocks, where it has no picture."""
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    begun = [note for note in folder.rglob("*.current") if not note.with_suffix(".npz").exists()]
    if len(begun) == len(workers):
        return True
    for worker in workers:
        os.kill(worker, signal.SIGCONT)
    return False


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_parent(encoder, many_photos, tmp_path, sent):
    process, workers = busy(encoder, many_photos, tmp_path / "e.npy")
    assert workers
    process.send_signal(sent)
    _, said = process.communicate(timeout=60)
    wait_for(lambda: not any(map(is_running, workers)), 20)
    assert not (tmp_path / "e.npy").exists()
    if sent == signal.SIGTERM:
        assert process.returncode == 130
        assert "maker: interrupted; the same command resumes" in said
        assert not list(tmp_path.rglob("*.partial"))
    again = start(encoder, many_photos, tmp_path / "e.npy")
    printed, _ = again.communicate(timeout=120)
    assert f"{PHOTOS} embeddings" in printed
    assert not list(tmp_path.rglob("*.partial"))
    assert not list(tmp_path.rglob("*.current"))


def test_a_killed_worker_is_one_line_that_names_the_picture(encoder, many_photos, tmp_path):
    process, workers = busy(encoder, many_photos, tmp_path / "e.npy")
    wait_for(lambda: all_stopped_at_a_picture(workers, tmp_path))
    os.kill(workers[0], signal.SIGKILL)
    for worker in workers[1:]:
        os.kill(worker, signal.SIGCONT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = [line for line in said.splitlines() if line.startswith("maker: error:")]
    assert re.search(r"a worker process was killed while it worked on .*/photos/\d{4}\.png", line)
    assert "run the same command again" in line


SCRIPT = """
import sys
from pathlib import Path

from maker.pipeline import embed

print("begin", flush=True)
print(embed(Path(sys.argv[1]), "image", Path(sys.argv[2]), Path(sys.argv[3])))
"""


def test_a_script_without_a_main_guard_runs_once(encoder, many_photos, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(encoder), str(many_photos), str(tmp_path / "e.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("begin") == 1
    assert f"{PHOTOS} embeddings" in done.stdout


INTERRUPTED = """
import signal
from multiprocessing import util

signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a background job is to ignore it

from maker.collection.engines import Local

start = util.spawnv_passfds


def start_and_interrupt(program, arguments, files):
    process = start(program, arguments, files)
    if any("spawn_main" in str(argument) for argument in arguments):  # not the process that tracks resources
        signal.raise_signal(signal.SIGINT)
    return process


util.spawnv_passfds = start_and_interrupt
try:
    print(list(Local(2).run(abs, range(4))))
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_worker_that_is_starting_is_quiet_when_its_parent_is_interrupted():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_workers_that_are_starting_are_quiet_at_ctrl_c(encoder, many_photos, tmp_path):
    process = start(encoder, many_photos, tmp_path / "e.npy")
    wait_for(lambda: any(map(has_numpy, workers_of(process))) or process.poll() is not None)  # modules are being imported
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "maker: interrupted; the same command resumes" in said
    assert "Traceback" not in said


def test_a_closed_pipe_ends_a_command_silently(searcher_file):
    process = subprocess.Popen(
        [sys.executable, "-m", "maker.cli", "inspect", str(searcher_file), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0
    assert "Broken" not in said
    assert "Traceback" not in said


def test_characters_that_the_terminal_lacks_are_replaced(searcher_file):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "maker.cli", "search", str(searcher_file), "红色的房子"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert "?????" in done.stdout
