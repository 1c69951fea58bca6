import base64
import io
import json
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from maker.data.captions import open_captions, read_captions, select_language, select_split
from maker.data.formats import recognise
from maker.data.images import load_image
from maker.data.items import read_embeddings, read_metadata
from maker.data.splits import split_captions
from maker.errors import DataError
from maker.workspace import Rejects


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
        ("line 3", "too few columns: 1, expected 2"),
        ("line 4", "no image named"),
        ("line 5", "empty caption"),
    ]
    rejects.write(tmp_path / "rejects.tsv")
    assert (tmp_path / "rejects.tsv").read_text().splitlines()[1] == "c.tsv\tline 3\ttoo few columns: 1, expected 2"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"image\tcaption\n", "no captions in it"),
        (b"number\tcaption\n1\tx\n", "no column 'image'.*found number, caption"),
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


def png(colour: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(stream, "PNG")
    return stream.getvalue()


def test_flickr_tokens_are_recognised(tmp_path):
    path = write(tmp_path / "Flickr8k.token.txt", "1.jpg#0\tA child .\n1.jpg#1\tA girl .\nbroken\n")
    rejects = Rejects()
    assert recognise(path) == "flickr"
    assert [(c.image, c.text) for c in read_captions(path, rejects)] == [("1.jpg", "A child ."), ("1.jpg", "A girl .")]
    assert rejects.rows == [("Flickr8k.token.txt", "line 3", "too few columns: 1")]


def test_json_lines_are_recognised_and_may_hold_several_captions(tmp_path):
    lines = ['{"file_name": "a.jpg", "captions": ["x", "y"], "split": "val"}', "{", '{"image": "b.jpg"}', "[1]"]
    path, rejects = (
        write(tmp_path / "c.jsonl", "\n".join([*lines, '{"image": null, "caption": "x"}', '{"image": "c", "caption": null}'])),
        Rejects(),
    )
    assert recognise(path) == "jsonl"
    assert [(c.image, c.text, c.split) for c in read_captions(path, rejects)] == [("a.jpg", "x", "val"), ("a.jpg", "y", "val")]
    assert [place for _, place, _ in rejects.rows] == ["line 2", "line 3", "line 4", "line 5", "line 6"]


def test_coco_is_recognised_and_a_caption_of_no_image_is_rejected(tmp_path):
    content = {
        "images": [{"id": 7, "file_name": "COCO_7.jpg"}],
        "annotations": [{"image_id": 7, "caption": "a cat"}, {"image_id": 8, "caption": "lost"}],
    }
    path, rejects = write(tmp_path / "captions.json", json.dumps(content, indent=1)), Rejects()
    assert recognise(path) == "coco"
    assert [(c.image, c.text) for c in read_captions(path, rejects)] == [("COCO_7.jpg", "a cat")]
    assert rejects.rows == [("captions.json", "annotation 2", "no image named")]
    write(path, '{"images": [],\n "x": 1}')
    with pytest.raises(DataError, match="missing 'annotations'"):
        read_captions(path, Rejects())


def test_easynlp_images_are_unpacked_once(tmp_path, monkeypatch):
    lines = [f"a {colour} tile\t{base64.b64encode(png(colour)).decode()}" for colour in ("red", "blue")]
    path, rejects = write(tmp_path / "train.tsv", "\n".join([*lines, "bad\t!!", "\t" + lines[0].split("\t")[1]]) + "\n"), Rejects()
    assert recognise(path) == "easynlp"
    source = open_captions(path, None, tmp_path / "unpacked", rejects)
    assert [c.text for c in source.captions] == ["a red tile", "a blue tile"]
    assert load_image(source.images / source.captions[1].image)[0, 0].tolist() == [0, 0, 255]
    assert [place for _, place, _ in rejects.rows] == ["row 3", "row 4"]
    again = Rejects()
    assert open_captions(path, None, tmp_path / "unpacked", again).captions == source.captions
    assert again.rows == rejects.rows
    write(path, lines[1] + "\n")
    assert [c.text for c in open_captions(path, None, tmp_path / "unpacked", Rejects()).captions] == ["a blue tile"]


def test_webdataset_shards_are_read_together(tmp_path):
    for number, colour in enumerate(("red", "blue")):
        with tarfile.open(tmp_path / f"train-00{number}.tar", "w") as shard:
            caption = f"a {colour} tile".encode() if number else json.dumps({"caption": [f"a {colour} tile", "second"]}).encode()
            for name, content in (("k.png", png(colour)), ("k.txt" if number else "k.json", caption)):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))
    source = open_captions(tmp_path / "train-000.tar", None, tmp_path / "unpacked", Rejects())
    assert source.format == "webdataset"
    assert [c.text for c in source.captions] == ["a red tile", "second", "a blue tile"]
    assert len({c.image for c in source.captions}) == 2


def test_parquet_rows_hold_image_bytes(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"image": [{"bytes": png("red"), "path": "x"}, {"bytes": None, "path": "y"}], "text": ["a red tile", "none"]})
    parquet.write_table(table, tmp_path / "c.parquet")
    rejects = Rejects()
    source = open_captions(tmp_path / "c.parquet", None, tmp_path / "unpacked", rejects)
    assert [c.text for c in source.captions] == ["a red tile"]
    assert rejects.rows == [("c.parquet", "row 2", "image is not bytes")]


def test_a_file_that_names_its_images_needs_their_folder(tmp_path):
    path = write(tmp_path / "c.tsv", "image\tcaption\na\tb\n")
    with pytest.raises(DataError, match="pass --images DIR"):
        open_captions(path, None, tmp_path / "unpacked", Rejects())


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
