"""Flickr8k's published files become the folder that the benchmarks read."""

from __future__ import annotations

import pytest
from PIL import Image

from maker.data.captions import read_captions
from maker.workspace.rejects import Rejects
from tests.benchmarks import flickr8k


@pytest.fixture
def published(tmp_path):
    folder = tmp_path / "published"
    (folder / "Flicker8k_Dataset").mkdir(parents=True)
    (folder / "Flickr8k_text").mkdir()
    for name in ("a_1.jpg", "b_2.jpg", "t_3.jpg"):
        Image.new("RGB", (50, 30), "red").save(folder / "Flicker8k_Dataset" / name)
    texts = folder / "Flickr8k_text"
    (texts / "Flickr_8k.trainImages.txt").write_text("a_1.jpg\n")
    (texts / "Flickr_8k.devImages.txt").write_text("b_2.jpg\n")
    lines = ["b_2.jpg#0\tA dog .", "a_1.jpg#0\tA red kite .", "a_1.jpg#1\tA kite\tup .", "t_3.jpg#0\tOf the test set ."]
    (texts / "Flickr8k.token.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_captions_and_photos_of_train_and_val_are_written(published, tmp_path, capsys):
    chinese = tmp_path / "zh.txt"
    chinese.write_text("a_1.jpg#zhm#0 红色的风筝\n", encoding="utf-8")
    target = tmp_path / "flickr8k"
    assert flickr8k.main([str(published), str(target), "--chinese", str(chinese)]) == 0
    assert "2 photos, 4 captions" in capsys.readouterr().out
    found = [(c.image, c.split, c.language, c.text) for c in read_captions(target / "captions.tsv", Rejects())]
    assert found == [
        ("images/a_1.jpg", "train", "en", "A kite up ."),
        ("images/a_1.jpg", "train", "en", "A red kite ."),
        ("images/a_1.jpg", "train", "zh", "红色的风筝"),
        ("images/b_2.jpg", "val", "en", "A dog ."),
    ]
    assert sorted(path.name for path in (target / "images").iterdir()) == ["a_1.jpg", "b_2.jpg"]
    with Image.open(target / "images" / "a_1.jpg") as photo:
        assert photo.size == (flickr8k.SIDE, flickr8k.SIDE)


def test_missing_photos_are_named_and_nothing_is_written(published, tmp_path, capsys):
    (published / "Flicker8k_Dataset" / "b_2.jpg").unlink()
    with pytest.raises(SystemExit):
        flickr8k.main([str(published), str(tmp_path / "flickr8k")])
    assert "1 photos are missing, the first is b_2.jpg" in capsys.readouterr().err
    assert not (tmp_path / "flickr8k").exists()
