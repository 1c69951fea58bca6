from pathlib import Path

import pytest

from maker.data.captions import read_captions, select_language, select_split
from maker.data.items import read_embeddings, read_metadata
from maker.data.rejects import Rejects
from maker.data.splits import split_captions
from maker.errors import DataError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_tab_separated_captions_are_not_unquoted(tmp_path):
    path = write(tmp_path / "c.tsv", 'image\tsplit\tlang\tcaption\na.jpg\tVal\tEN\tsays "hi"\nb\\c.jpg\ttrain\ten\t"\n')
    captions = read_captions(path, Rejects())
    assert [(c.image, c.split, c.language, c.text, c.line) for c in captions] == [
        ("a.jpg", "val", "en", 'says "hi"', 2),
        ("b/c.jpg", "train", "en", '"', 3),
    ]


def test_csv_is_unquoted_and_columns_may_be_named_otherwise(tmp_path):
    path = write(tmp_path / "c.csv", 'Text,other,file_name\n"a, ""b""",x,1.png\n')
    (caption,) = read_captions(path, Rejects())
    assert (caption.image, caption.text, caption.split, caption.language) == ("1.png", 'a, "b"', "", "")


def test_rows_that_cannot_be_used_are_rejected_by_line(tmp_path):
    rejects = Rejects()
    path = write(tmp_path / "c.tsv", "image\tcaption\na.jpg\tgood\nb.jpg\n\tnameless\nc.jpg\t  \n\n")
    assert len(read_captions(path, rejects)) == 1
    assert [(place, reason) for _, place, reason in rejects.rows] == [
        ("line 3", "too few columns: 1"),
        ("line 4", "no image named"),
        ("line 5", "empty caption"),
    ]
    rejects.write(tmp_path / "rejects.tsv")
    assert (tmp_path / "rejects.tsv").read_text().splitlines()[1] == "c.tsv\tline 3\ttoo few columns: 1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column 'image'"),
        (b"image\tcaption\n", "no captions in it"),
        (b"picture\tcaption\n1\tx\n", "found picture, caption"),
        (b"image\tcaption\na.jpg\t\xff\xfe\n", "not UTF-8"),
    ],
)
def test_files_that_cannot_be_used_are_named(tmp_path, content, message):
    (tmp_path / "c.tsv").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_captions(tmp_path / "c.tsv", Rejects())
    assert "c.tsv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_language_or_split_lists_what_there_is(tmp_path):
    path = write(tmp_path / "c.tsv", "image\tsplit\tlang\tcaption\na\ttrain\ten\tx\nb\tval\tzh\ty\n")
    captions = read_captions(path, Rejects())
    assert [c.text for c in select_language(captions, "ZH", path)] == ["y"]
    assert [c.text for c in select_split(captions, "validation", path)] == ["y"]
    with pytest.raises(DataError, match="language 'fr'; the file has en, zh"):
        select_language(captions, "fr", path)
    with pytest.raises(DataError, match="split 'test'; the file has train, val"):
        select_split(captions, "test", path)


def test_rows_of_another_split_than_train_never_train(tmp_path):
    path = write(tmp_path / "c.tsv", "image\tsplit\tcaption\na\ttrain\tx\nb\tval\ty\nc\ttest\tz\nd\t\tw\n")
    splits = split_captions(read_captions(path, Rejects()), 0, path)
    assert [c.image for c in splits.train] == ["a"]
    assert [c.image for c in splits.validation] == ["b"]
    assert splits.how == "official"


def test_a_random_split_is_by_image_and_seeded(tmp_path):
    lines = "".join(f"{i // 2}\tcaption {i}\n" for i in range(200))
    path = write(tmp_path / "c.tsv", "image\tcaption\n" + lines)
    captions = read_captions(path, Rejects())
    first, again, other = (split_captions(captions, seed, path) for seed in (0, 0, 1))
    held_out = {c.image for c in first.validation}
    assert len(held_out) == 10
    assert not held_out & {c.image for c in first.train}
    assert first == again != other


def test_an_image_in_two_splits_is_an_error(tmp_path):
    path = write(tmp_path / "c.tsv", "image\tsplit\tcaption\na\ttrain\tx\na\tval\ty\n")
    with pytest.raises(DataError, match="in both train and val, the first is a"):
        split_captions(read_captions(path, Rejects()), 0, path)


def test_metadata_are_a_line_an_item(tmp_path):
    (tmp_path / "m.txt").write_bytes(b"a\nb\r\n\xff\n")
    assert read_metadata(tmp_path / "m.txt") == [b"a", b"b", b"\xff"]
    write(tmp_path / "m.jsonl", '"a\\nb"\n{"url": "x"}\n')
    assert read_metadata(tmp_path / "m.jsonl") == [b"a\nb", b'{"url": "x"}']
    write(tmp_path / "bad.jsonl", '"a"\n{\n')
    with pytest.raises(DataError, match="line 2 is not JSON"):
        read_metadata(tmp_path / "bad.jsonl")


def test_a_file_that_holds_no_embeddings_is_named(tmp_path):
    (tmp_path / "e.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"e\.npy: not a \.npy file"):
        read_embeddings(tmp_path / "e.npy")
    with pytest.raises(DataError, match="no such file"):
        read_embeddings(tmp_path / "none.npy")
