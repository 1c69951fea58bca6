"""Decoding, resizing, and that training, embedding, the graph and task see the same picture."""

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import SIDE, PooledColours
from PIL import Image

from maker.data.caption import Caption
from maker.data.duplicates import difference_hash, near_duplicates
from maker.data.images import list_images, load_image
from maker.data.splits import Splits
from maker.embedding import features, inputs
from maker.embedding.features import image_features
from maker.embedding.tower import ItemTower
from maker.errors import DataError
from maker.workspace import Workspace
from task import vision
from task.core import BaseOptions
from task.search import GraphEngine
from task.vision.resize import resize

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", [(64, 48), (7, 9), (20, 30), (1, 1), (41, 5), (5, 60)])
def test_resizing_is_what_pillow_calls_bilinear(size):
    ours = resize(PIXELS, *size).astype(int)
    pillow = np.asarray(Image.fromarray(PIXELS).resize(size[::-1], Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(ours - pillow).max() <= 1


def test_a_large_photo_is_resized_as_a_small_one(rng):
    big = rng.integers(0, 256, (900, 700, 3)).astype(np.uint8)
    pillow = np.asarray(Image.fromarray(big).resize((60, 50), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(resize(big, 50, 60).astype(int) - pillow).max() <= 1


def save(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path


def test_modes_become_rgb(tmp_path):
    rgb = Image.fromarray(PIXELS)
    grey = np.asarray(rgb.convert("L"))
    assert np.array_equal(load_image(save(rgb, tmp_path / "a.png")), PIXELS)
    assert np.array_equal(load_image(save(rgb.convert("L"), tmp_path / "b.png")), np.repeat(grey[:, :, None], 3, 2))
    assert load_image(save(rgb.convert("CMYK"), tmp_path / "c.jpg")).shape == PIXELS.shape
    assert load_image(save(rgb.convert("P"), tmp_path / "d.png")).shape == PIXELS.shape
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    assert np.array_equal(load_image(save(deep, tmp_path / "e.png"))[:, :, 0], grey)
    assert load_image(save(rgb.convert("1"), tmp_path / "f.png")).dtype == np.uint8


def test_transparent_pixels_are_white(tmp_path):
    rgba = np.dstack([PIXELS, np.zeros(PIXELS.shape[:2], np.uint8)])
    rgba[:10, :, 3] = 255
    loaded = load_image(save(Image.fromarray(rgba), tmp_path / "a.png"))
    assert np.array_equal(loaded[:10], PIXELS[:10])
    assert (loaded[10:] == 255).all()


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(Image.fromarray(PIXELS), tmp_path / "a.png", exif=exif)
    assert np.array_equal(load_image(path), np.rot90(PIXELS, -1))
    assert vision.TensorImage.create_from_file(str(path)).width == 20


def test_a_large_jpeg_is_decoded_at_a_fraction_where_less_is_enough(tmp_path):
    path = save(Image.new("RGB", (800, 400), (200, 20, 20)), tmp_path / "a.jpg")
    assert load_image(path).shape == (400, 800, 3)
    assert load_image(path, at_least=100).shape == (100, 200, 3)
    assert load_image(path, at_least=150).shape == (200, 400, 3)  # JPEG knows halves, quarters and eighths


def test_the_first_frame_of_an_animation_is_taken(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert load_image(tmp_path / "a.gif")[0, 0].tolist() == [255, 0, 0]


def test_bad_files_are_refused_with_the_reason(tmp_path, rng):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("hello")
    Image.fromarray(rng.integers(0, 256, (200, 200, 3)).astype(np.uint8)).save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:9000])
    for name, reason in {"empty": "empty file", "text": "not an image", "cut": "truncated", "gone": "missing file"}.items():
        with pytest.raises(DataError, match=reason):
            load_image(tmp_path / f"{name}.jpg")


def test_images_are_found_below_folders_and_hidden_ones_are_not(tmp_path):
    for name in ("b.PNG", "a/c.jpg", ".hidden/d.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list_images(tmp_path) == ["a/c.jpg", "b.PNG"]
    with pytest.raises(DataError, match="no such folder"):
        list_images(tmp_path / "nowhere")


def test_arrays_of_any_strides_and_channels_are_copied():
    view = PIXELS[::2, ::-3]
    image = vision.TensorImage.create_from_array(view)
    assert np.array_equal(image.buffer, view)
    assert vision.TensorImage.create_from_array(PIXELS[:, :, 0]).buffer.shape == (20, 30, 3)
    with pytest.raises(ValueError, match="expected uint8"):
        vision.TensorImage.create_from_array(PIXELS.astype(np.float32))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_corpus_embedding_the_graph_and_task_agree_on_a_picture(tmp_path, encoder, searcher_file):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    corpus = image_features(tmp_path, ["a.png"], encoder, Workspace(tmp_path / "cache")).values[0]
    by_task = GraphEngine(BaseOptions(str(searcher_file))).embed_image(resize(PIXELS, SIDE, SIDE))
    by_numpy = PooledColours().weights @ resize(PIXELS, SIDE, SIDE).reshape(-1, 3).mean(0) / 255
    assert cosine(corpus, by_task) > 0.9999
    assert cosine(corpus, by_numpy) > 0.999


def test_another_resize_would_be_noticed():
    checks = np.indices((96, 96)).sum(0) % 2 * 255
    picture = np.repeat(checks[:, :, None], 3, 2).astype(np.uint8)
    ours = resize(picture, SIDE, SIDE).astype(float).ravel()
    nearest = np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.NEAREST)).astype(float).ravel()
    bicubic = np.asarray(Image.fromarray(PIXELS).resize((SIDE, SIDE), Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(ours - nearest).max() > 100
    assert np.abs(resize(PIXELS, SIDE, SIDE) - bicubic).max() > 5


def test_features_are_computed_once_and_rejects_are_named(tmp_path, encoder, monkeypatch):
    for number in range(5):
        Image.fromarray(np.roll(PIXELS, number, 1)).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_text("no image")
    names = [f"{n}.png" for n in range(5)]
    first_work, second_work = Workspace(tmp_path / "cache"), Workspace(tmp_path / "cache")
    first = image_features(tmp_path, names, encoder, first_work)
    assert first.images == ["0.png", "1.png", "3.png", "4.png"]
    assert first_work.rejects.rows == [("2.png", "", "not an image")]
    tried = []
    embed = features._embed_block
    monkeypatch.setattr(features, "_embed_block", lambda opened, job: tried.extend(job[0]) or embed(opened, job))
    second = image_features(tmp_path, names, encoder, second_work)
    assert np.array_equal(first.values, second.values)
    assert tried == [str(tmp_path / "2.png")]
    assert second_work.rejects.rows == first_work.rejects.rows


def test_a_rejected_image_is_read_once_its_format_can_be_read(tmp_path, encoder, monkeypatch):
    for number in range(2):
        Image.fromarray(np.roll(PIXELS, number, 1)).save(tmp_path / f"{number}.png")
    load = inputs.load_image

    def without_a_plugin(path):
        if path.name == "1.png":
            raise DataError("needs pillow-heif")
        return load(path)

    monkeypatch.setattr(inputs, "load_image", without_a_plugin)
    assert image_features(tmp_path, ["0.png", "1.png"], encoder, Workspace(tmp_path / "cache")).images == ["0.png"]
    monkeypatch.setattr(inputs, "load_image", load)
    work = Workspace(tmp_path / "cache")
    assert image_features(tmp_path, ["0.png", "1.png"], encoder, work).images == ["0.png", "1.png"]
    assert not work.rejects.rows


def test_an_interrupted_folder_goes_on_where_it_stopped(tmp_path, encoder, monkeypatch):

    monkeypatch.setattr("maker.embedding.blocks.BLOCK", 2)
    monkeypatch.setattr("maker.collection.engines.os.cpu_count", lambda: 1)
    for number in range(7):
        Image.fromarray(np.roll(PIXELS, number, 1)).save(tmp_path / f"{number}.png")
    names = [f"{n}.png" for n in range(7)]
    whole = image_features(tmp_path, names, encoder, Workspace(tmp_path / "whole")).values
    done: list[str] = []
    real = features._embed_block

    def interrupted(opened: ItemTower, job: tuple[list[str], Path]) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(job[1].stem)
        real(opened, job)

    monkeypatch.setattr(features, "_embed_block", interrupted)
    with pytest.raises(KeyboardInterrupt):
        image_features(tmp_path, names, encoder, Workspace(tmp_path / "cache"))
    resumed: list[str] = []
    monkeypatch.setattr(features, "_embed_block", lambda opened, job: (resumed.append(job[1].stem), real(opened, job)))
    again = image_features(tmp_path, names, encoder, Workspace(tmp_path / "cache")).values
    assert done == ["00000000", "00000002"]
    assert resumed == ["00000004", "00000006"]
    assert np.array_equal(again, whole)


def test_a_recompressed_picture_on_both_sides_of_a_split_is_found(tmp_path, rng):
    smooth = resize(rng.integers(0, 256, (6, 6, 3)).astype(np.uint8), 80, 90)
    other = resize(rng.integers(0, 256, (6, 6, 3)).astype(np.uint8), 80, 90)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=30)
    again = resize(load_image(tmp_path / "a.jpg"), 60, 50)
    hashes = {"val": int(difference_hash(again)), "same": int(difference_hash(smooth)), "other": int(difference_hash(other)), "flat": 0}
    train = [Caption(name, "x", "train", "", 1) for name in ("other", "same", "flat")]
    assert near_duplicates(Splits(train, [Caption("val", "y", "val", "", 1)], "official"), hashes) == [("val", "same")]
    assert difference_hash(np.full((9, 9, 3), 77, np.uint8)) == 0


def copy_of(folder: Path, target: Path) -> Path:
    for number in range(4):
        Image.fromarray(np.roll(PIXELS, number, 1)).save(folder / f"{number}.png")
    target.mkdir()
    for number in range(4):
        Image.fromarray(np.roll(PIXELS, 10 + number, 0)).save(target / f"{number}.png")
    return target


def test_the_same_names_in_another_folder_have_features_of_their_own(tmp_path, encoder):
    other = copy_of(tmp_path, tmp_path / "other")
    names, work = [f"{n}.png" for n in range(4)], Workspace(tmp_path / "cache")
    first, second = image_features(tmp_path, names, encoder, work), image_features(other, names, encoder, work)
    assert not np.array_equal(first.values, second.values)
    assert np.array_equal(second.values, image_features(other, names, encoder, Workspace(tmp_path / "fresh")).values)


def test_a_picture_replaced_with_the_same_size_and_time_gets_new_features(tmp_path, encoder):
    path, work = tmp_path / "a.bmp", Workspace(tmp_path / "cache")
    Image.fromarray(PIXELS).save(path)
    before = np.array(image_features(tmp_path, ["a.bmp"], encoder, work).values)
    status = path.stat()
    Image.fromarray(255 - PIXELS).save(tmp_path / "b.bmp")
    os.utime(tmp_path / "b.bmp", ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "b.bmp").replace(path)
    assert path.stat().st_size == status.st_size
    assert not np.array_equal(image_features(tmp_path, ["a.bmp"], encoder, work).values, before)


def test_only_new_pictures_are_embedded_also_for_another_searcher(tmp_path, encoder, monkeypatch):

    copy_of(tmp_path, tmp_path / "other")
    names, embedded, real = [f"{n}.png" for n in range(4)], list[str](), features._embed_block
    monkeypatch.setattr(features, "_embed_block", lambda opened, job: (embedded.extend(Path(p).name for p in job[0]), real(opened, job)))
    first = image_features(tmp_path, names[:3], encoder, Workspace(tmp_path / "a.work"))
    assert isinstance(first.values, np.memmap)
    second = image_features(tmp_path, names, encoder, Workspace(tmp_path / "b.work"))
    assert embedded == names
    assert np.array_equal(second.values[:3], first.values)
    image_features(tmp_path, names, encoder, Workspace(tmp_path / "b.work"))
    assert embedded == names
    assert second.hashes[:3] == first.hashes


def test_damaged_features_are_computed_again(tmp_path, encoder):
    copy_of(tmp_path, tmp_path / "other")
    names, work = [f"{n}.png" for n in range(4)], Workspace(tmp_path / "cache")
    before = np.array(image_features(tmp_path, names, encoder, work).values)
    (values,) = work.features.glob("*/features.npy")
    values.write_bytes(values.read_bytes()[:100])
    assert np.array_equal(image_features(tmp_path, names, encoder, work).values, before)


def test_blocks_that_a_killed_run_joined_and_did_not_remove_are_removed_by_the_next(encoder, photos, tmp_path):
    with Workspace.open(tmp_path / "a.work") as work:
        first = image_features(photos, list_images(photos), encoder, work)
        (joined,) = work.features.glob("*/features.npy")
        (joined.parent / "blocks").mkdir()
        (joined.parent / "blocks" / "00000000.npz").touch()
        (joined.parent / "blocks" / "00000000.current").touch()
        (work.features / "unfinished" / "blocks").mkdir(parents=True)
        np.testing.assert_array_equal(image_features(photos, list_images(photos), encoder, work).values, first.values)
        assert not (joined.parent / "blocks").exists()
        assert (work.features / "unfinished" / "blocks").exists()
