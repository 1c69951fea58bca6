"""More like an item, or like several; and groups of near-duplicates."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import DIMENSION
from PIL import Image

from maker.cli import main
from maker.evaluation.duplicate_items import find_duplicates
from maker.pipeline import index_embeddings
from task.errors import InvalidArgumentError
from task.text import TextSearcher


def found(result) -> list[int]:
    return [neighbor.id for neighbor in result.nearest_neighbors]


def test_similar_items_are_the_nearest_others(searcher_file, embeddings):
    with TextSearcher.create_from_file(str(searcher_file)) as searcher:
        ranked = np.argsort(-(embeddings @ embeddings[7])).tolist()
        assert ranked[0] == 7
        assert found(searcher.similar(7)) == ranked[1:6]
        several = np.argsort(-(embeddings @ (embeddings[7] + embeddings[20]))).tolist()
        assert found(searcher.similar([7, 20])) == [item for item in several if item not in (7, 20)][:5]
        assert found(searcher.similar(7, allowed=[7, 9, 30])) == [item for item in ranked if item in (9, 30)]
        np.testing.assert_allclose(searcher.get_embedding(7), embeddings[7], atol=0.01)


def test_an_added_item_has_similar_ones_and_is_one(searcher_file, embeddings):
    with TextSearcher.create_from_file(str(searcher_file)) as searcher:
        new = searcher.add(embeddings[7], "copy")
        assert found(searcher.similar(new))[0] == 7
        assert found(searcher.similar(7))[0] == new
        searcher.remove(new)
        with pytest.raises(InvalidArgumentError, match=f"there is no item {new}"):
            searcher.similar(new)


def test_similar_items_are_found_in_all_files(searcher_file):
    with TextSearcher.create_from_files([str(searcher_file), str(searcher_file)]) as searcher:
        assert found(searcher.similar(307))[0] == 7
        assert found(searcher.similar(7))[0] == 307


def test_without_an_item_nothing_is_similar(searcher_file):
    with TextSearcher.create_from_file(str(searcher_file)) as searcher:
        with pytest.raises(InvalidArgumentError, match="similar takes at least one id"):
            searcher.similar([])
        with pytest.raises(InvalidArgumentError, match="there is no item 300"):
            searcher.similar([7, 300])


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Twenty photos, of which 3 has a brighter and a smaller copy, and 5 a copy whose embedding is another."""
    folder, rng = tmp_path_factory.mktemp("album"), np.random.default_rng(4)
    vectors = rng.standard_normal((23, DIMENSION)).astype(np.float32)
    noise = [Image.fromarray(rng.integers(0, 180, (8, 9, 3), np.uint8)) for _ in range(20)]
    pictures = [picture.resize((90, 80), Image.Resampling.BICUBIC) for picture in noise]
    pictures += [
        pictures[3].point(lambda value: min(255, value + 20)),
        pictures[3].resize((45, 40)),
        pictures[5].convert("L").convert("RGB"),
    ]
    vectors[20], vectors[21] = vectors[3] + 0.05 * vectors[0], vectors[3] + 0.1 * vectors[1]
    vectors[22] = vectors[5] + 0.9 * vectors[6]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for number, picture in enumerate(pictures):
        picture.save(folder / f"{number}.png")
    index_embeddings(vectors, [f"{number}.png".encode() for number in range(23)], folder / "s.tflite")
    return folder


def test_near_duplicates_are_grouped_by_embedding_and_with_the_pictures_by_hash(album):
    by_embedding = find_duplicates(album / "s.tflite")
    assert [group.items for group in by_embedding.groups] == [[3, 20, 21]]
    assert by_embedding.groups[0].similarities[0] == pytest.approx(1, abs=1e-3)
    with_pictures = find_duplicates(album / "s.tflite", album)
    assert [group.items for group in with_pictures.groups] == [[3, 20, 21], [5, 22]]
    assert with_pictures.unseen == 0
    assert find_duplicates(album / "s.tflite", similarity=0.9999).groups == []


def test_pictures_that_cannot_be_read_are_counted(album, tmp_path, capsys):
    Image.new("RGB", (20, 20)).save(tmp_path / "0.png")  # flat: no hash
    assert main(["duplicates", str(album / "s.tflite"), "--images", str(tmp_path)]) == 0
    assert "23 pictures have no hash" in capsys.readouterr().err


def test_the_command_prints_the_groups_and_draws_them(album, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    assert main(["duplicates", str(album / "s.tflite"), "--images", str(album), "--contact-sheet", str(sheet), "--json"]) == 0
    printed = capsys.readouterr()
    groups = [json.loads(line) for line in printed.out.splitlines()]
    assert [[item["metadata"] for item in group["items"]] for group in groups] == [["3.png", "20.png", "21.png"], ["5.png", "22.png"]]
    assert "2 groups; 3 of 23 items repeat an earlier one" in printed.err
    with Image.open(sheet) as drawn:
        assert drawn.width > 500


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--similarity", "0"], "--similarity 0: expected a cosine above 0, at most 1"),
        (["--contact-sheet", "s.png"], "--contact-sheet needs --images DIR"),
        (["--images", "nowhere"], "no such folder: nowhere"),
    ],
)
def test_wrong_usage_is_refused(album, options, message, capsys):
    assert main(["duplicates", str(album / "s.tflite"), *options]) == 2
    assert message in capsys.readouterr().err
