"""Videos: moments, frames, joining what looks alike, building and searching."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from maker import Collection, embedder
from maker.cli import main
from maker.data.caption import Caption
from maker.data.images import load_image
from maker.data.videos import _Video, list_videos, parse_every, spans
from maker.embedding.features import Features
from maker.embedding.moments import captions_of_joined, joined_moments
from maker.errors import DataError, UsageError
from maker.workspace import Rejects
from task.text import TextSearcher
from task.vision import ImageSearcher, TensorImage
from tests.written_videos import drawn, scenes, write_video

pytest.importorskip("av")
COLOURS = {"red": (220, 30, 30), "green": (20, 200, 40), "blue": (30, 40, 220), "yellow": (230, 220, 20), "purple": (150, 20, 200)}


def plain(name: str) -> np.ndarray:
    return np.full((64, 96, 3), COLOURS[name], np.uint8)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of plain pictures of two and three seconds, and two files that are no videos."""
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "a.mp4", [plain("red"), plain("green"), plain("blue")])
    write_video(folder / "b.mkv", [plain("yellow"), plain("purple")], 3.0)
    (folder / "bad.mp4").write_bytes(b"not a video")
    (folder / "empty.mov").touch()
    return folder


@pytest.fixture(scope="module")
def built(videos: Path, encoder: Path) -> Path:
    """A searcher of their moments, with ready towers."""
    output, queries = videos.parent / "built-moments.tflite", videos.parent / "queries.txt"
    queries.write_text("".join(f"a red kite of {number} metres\n" for number in range(60)))
    given = ["--encoder", str(encoder), "--query-list", str(queries), "--no-report"]
    assert main(["build", "--videos", str(videos), "--output", str(output), *given]) == 0
    return output


MOMENTS = ["a.mp4#t=0,2", "a.mp4#t=2,4", "a.mp4#t=4,6", "b.mkv#t=0,3", "b.mkv#t=3,6"]


def test_frames_that_look_alike_are_one_moment_with_its_span(built):
    with TextSearcher.create_from_file(str(built)) as searcher:
        assert [searcher.get_metadata(item).decode() for item in range(searcher.items)] == MOMENTS
        found = searcher.search("a red kite", where="video == 'b.mkv' and start >= 3").nearest_neighbors
        assert [n.metadata.decode() for n in found] == ["b.mkv#t=3,6"]


def test_a_picture_finds_its_moment(built):
    with ImageSearcher.create_from_file(str(built)) as searcher:
        for name, moment in zip(COLOURS, MOMENTS, strict=True):
            nearest, *_ = searcher.search(TensorImage.create_from_array(plain(name))).nearest_neighbors
            assert nearest.metadata.decode() == moment


def test_files_that_are_no_videos_are_rejected_by_name(built):
    with (built.with_suffix(".work") / "rejects.tsv").open() as file:
        reasons = {row["input"]: row["reason"] for row in csv.DictReader(file, delimiter="\t")}
    assert reasons["bad.mp4"].startswith("not a video")
    assert reasons["empty.mov"] == "empty file"


def test_the_contact_sheet_shows_the_moments(built, videos, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    assert main(["search", str(built), "a red kite", "--images", str(videos), "--contact-sheet", str(sheet)]) == 0
    pixels = load_image(sheet).reshape(-1, 3).astype(int)
    for name, colour in COLOURS.items():
        assert (np.abs(pixels - colour).sum(1) < 40).mean() > 0.01, name
    assert "a.mp4#t=" in capsys.readouterr().out


@pytest.mark.slow
def test_captions_of_videos_and_of_spans_train_on_their_moments(videos, tmp_path):
    lines = [f"a.mp4#t={2 * number},{2 * number + 2}\ta plain {name} picture" for number, name in enumerate(("red", "green", "blue"))]
    lines += ["b.mkv\tblack and white", "gone.mp4\tnothing"]
    (tmp_path / "captions.tsv").write_text("\n".join(["video\tcaption", *lines]) + "\n")
    output = tmp_path / "trained.tflite"
    given = ["build", "--videos", str(videos), "--captions", str(tmp_path / "captions.tsv"), "--output", str(output), "--every", "0.5s"]
    assert main([*given, "--epochs", "1", "--batch-size", "8", "--min-count", "1", "--no-report"]) == 0
    with (output.with_suffix(".work") / "rejects.tsv").open() as file:
        assert "names an absent file: gone.mp4" in file.read()
    with TextSearcher.create_from_file(str(output)) as searcher:
        assert 2 <= searcher.items <= 24
        assert searcher.search("a plain red picture").nearest_neighbors


@pytest.mark.parametrize("every", ["1s", "0.5", "scenes"])
def test_each_moment_shows_its_scene(tmp_path, every):
    pictures = [drawn(scene) for scene in scenes(4)]
    write_video(tmp_path / "drawn.mp4", pictures)
    names = list_videos(tmp_path, Rejects(), every)
    assert len(names) == {"1s": 8, "0.5": 16, "scenes": 4}[every]
    for place, name in [*enumerate(names), *reversed(list(enumerate(names)))]:  # backwards, each needs a jump
        differences = [np.abs(load_image(tmp_path / name).astype(int) - picture).mean() for picture in pictures]
        assert int(np.argmin(differences)) == place * 4 // len(names)
        assert min(differences) < 10


def test_the_last_moment_ends_with_the_video(tmp_path):
    path = write_video(tmp_path / "a.mp4", [plain("red")], 2.7)
    assert spans(path, 1.0) == [(0.0, 1.0), (1.0, 2.0), (2.0, 2.7)]
    assert spans(path, 10.0) == [(0.0, 2.7)]


@pytest.mark.parametrize("every", ["0", "often", "-1s", "0.01s"])
def test_a_wrong_distance_of_frames_says_what_is_expected(every):
    with pytest.raises(UsageError, match=r"expected seconds between frames such as 1s, at least 0.04, or scenes"):
        parse_every(every)


def test_a_folder_without_videos_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no video files in it; looked for .*\.mp4"):
        list_videos(tmp_path, Rejects(), "1s")
    with pytest.raises(DataError, match="missing file"):
        load_image(tmp_path / "gone.mp4#t=0,1")


def test_a_moment_grows_while_its_frames_look_like_the_first():
    angles = np.array([0, 8, 16, 18, 40, 42, 90])
    values = np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1).astype(np.float32)
    names = [*(f"a.mp4#t={t},{t + 1}" for t in range(5)), "b.mp4#t=0,1", "photo.jpg"]
    joined = joined_moments(Features(names, values, list(range(7))), alike=0.98)
    assert joined.images == ["a.mp4#t=0,2", "a.mp4#t=2,4", "a.mp4#t=4,5", "b.mp4#t=0,1", "photo.jpg"]
    assert joined.hashes == [1, 3, 4, 5, 6]
    captions = [Caption(name, text, "val", "", 1) for name, text in (("a.mp4#t=0,1", "x"), ("a.mp4#t=1,2", "x"), ("a.mp4#t=4,5", "y"))]
    assert [(c.image, c.text) for c in captions_of_joined(captions, joined.images)] == [("a.mp4#t=0,2", "x"), ("a.mp4#t=4,5", "y")]


def test_a_collection_takes_videos_apart(videos, encoder):
    embed = embedder(encoder)
    rows = Collection.from_list([str(videos / "a.mp4"), str(videos / "bad.mp4")]).frames(every="1s").decode().embed(embed).to_list()
    assert [(row["start"], row["end"]) for row in rows[:-1]] == [(t, t + 1) for t in range(6)]
    assert rows[2]["path"] == f"{videos}/a.mp4#t=2,3"
    assert rows[2]["video"] == f"{videos}/a.mp4"
    assert np.abs(rows[2]["picture"].astype(int) - plain("green")).mean() < 10
    np.testing.assert_allclose(rows[2]["embedding"], embed(f"{videos}/a.mp4#t=2,3"), atol=1e-5)
    assert rows[-1]["reason"].startswith("not a video")
    with pytest.raises(UsageError, match="--every often"):
        Collection.from_list([]).frames(every="often")


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_scenes_and_frames_are_right_in_formats_whose_clock_starts_late_or_that_have_no_index(name, tmp_path):
    path = write_video(tmp_path / name, [plain(colour) for colour in COLOURS], 2.2)
    np.testing.assert_allclose(spans(path, None), [(2.2 * n, 2.2 * (n + 1)) for n in range(5)], atol=0.2)
    for place in (4, 1, 3, 0, 2):  # jumps in both directions
        frame = load_image(Path(f"{path}#t={2.2 * place + 1:.3f},{2.2 * place + 1:.3f}"))
        assert np.abs(frame.astype(int) - plain(list(COLOURS)[place])).mean() < 10, place


def test_a_header_with_a_huge_length_is_refused(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", [plain("red")])
    monkeypatch.setattr("maker.data.videos._Video.seconds", 1e12)
    with pytest.raises(DataError, match="its header says 1000000000000 seconds, which are more than 1,000,000 moments"):
        spans(path, 1.0)
    with pytest.raises(DataError, match="missing file"):
        spans(tmp_path / "absent.mp4", 1.0)


def test_after_an_error_a_video_is_read_anew(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mkv", [plain("red"), plain("green")])
    decoded = _Video.frames
    broken = iter([True])

    def frames(video):
        for time, frame in decoded(video):
            if time > 1 and next(broken, False):
                raise ValueError("damaged")
            yield time, frame

    monkeypatch.setattr(_Video, "frames", frames)
    with pytest.raises(DataError, match="damaged"):
        load_image(Path(f"{path}#t=1.5,1.5"))
    assert np.abs(load_image(Path(f"{path}#t=3,3")).astype(int) - plain("green")).mean() < 10
