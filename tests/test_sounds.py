"""Building from sounds: windows of recordings, the `mel` encoder, captions, rejected files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from maker import Collection, embedder
from maker.cli import main
from maker.data.caption import Caption
from maker.data.facts_file import item_facts, read_facts
from maker.data.parts import Parts
from maker.data.sounds import list_sounds, load_sound, windows
from maker.data.splits import split_captions
from maker.encoders.audio import SoundModelOptions, parse_audio_spec, sound_tower
from maker.encoders.embedder import open_embedder
from maker.encoders.mel import write_mel
from maker.encoders.speech_embedding import write_speech_embedding
from maker.errors import DataError, EncoderError, UsageError
from maker.export.encoder_file import write_encoder
from maker.pipeline import Corpus, TowerOptions
from maker.sample.sounds import plan_sounds, write_sounds
from maker.workspace import Rejects
from task.audio import AudioSearcher, TensorAudio
from task.core import BaseOptions
from task.core.interpreter import TensorRunner
from task.core.model_file import ModelFile
from task.format import facts
from task.format.moment import file_of
from task.format.sound_format import SoundFormat
from task.text import TextSearcher
from tests.outside_data import OPENWAKEWORD, absent
from tests.written_sounds import RATE, plain_model, tone, write_wave

QUICK = ["--epochs", "2", "--batch-size", "16", "--no-report", "--min-count", "1"]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captioned sample sounds, one recording of ten seconds, and two files that cannot be read."""
    folder = tmp_path_factory.mktemp("sample")
    captions = write_sounds(folder, sounds=40, held_out=10)
    write_wave(folder / "sounds" / "long.wav", np.concatenate([tone(300, 5, start=2), tone(2000, 5)]))
    (folder / "sounds" / "bad.wav").write_bytes(b"not a sound")
    (folder / "sounds" / "empty.flac").touch()
    with captions.open("a") as file:
        file.write("sounds/long.wav\ttrain\ten\ta long recording\nsounds/long.wav#t=6,9\ttrain\ten\ta high tone\n")
    return folder


@pytest.fixture(scope="module")
def built(sounds: Path) -> Path:
    """A searcher of these sounds."""
    output = sounds.parent / "built-sounds.tflite"
    assert main(["build", "--sounds", str(sounds), "--captions", str(sounds / "captions.tsv"), "--output", str(output), *QUICK]) == 0
    return output


def rejected(output: Path) -> dict[str, str]:
    with (output.with_suffix(".work") / "rejects.tsv").open() as file:
        return {row["input"]: row["reason"] for row in csv.DictReader(file, delimiter="\t")}


def test_a_build_finds_sounds_by_sound_and_by_words_and_rejects_bad_files_by_name(built, sounds):
    with AudioSearcher.create_from_file(str(built)) as searcher:
        for number in range(0, 50, 7):
            name = f"sounds/{number:05d}.wav"
            nearest, *_ = searcher.search(TensorAudio.create_from_file(str(sounds / name))).nearest_neighbors
            assert nearest.metadata.decode() == name
    with TextSearcher.create_from_file(str(built)) as searcher:
        assert len(searcher.search("a loud high tone").nearest_neighbors) == 5
    reasons = rejected(built)
    assert "not a sound" in reasons["sounds/bad.wav"]
    assert reasons["sounds/empty.flac"] == "empty file"


def test_long_recordings_are_items_with_start_and_end(built):
    with TextSearcher.create_from_file(str(built)) as searcher:
        names = [searcher.get_metadata(item).decode() for item in range(searcher.items)]
        long = [name for name in names if "long" in name]
        assert long == [f"sounds/long.wav#t={start},{start + 2}" for start in range(9)]
        found = searcher.search("a tone", where="recording == 'sounds/long.wav' and start >= 4 and end < 8").nearest_neighbors
        assert sorted(n.metadata.decode() for n in found) == [f"sounds/long.wav#t={start},{start + 2}" for start in (4, 5)]
        assert len(searcher.search("a tone", where="name == 'long.wav'").nearest_neighbors) == 5


def test_an_embedder_takes_sounds_as_paths_bytes_and_samples(built, sounds, encoder):
    embed, path = embedder(built), sounds / "sounds/00001.wav"
    row = embed(path)
    for same in (str(path), path.read_bytes(), TensorAudio.create_from_file(str(path))):
        np.testing.assert_allclose(embed(same), row, atol=1e-5)
    assert embed(f"{sounds}/sounds/long.wav#t=6,8").shape == row.shape
    found = Collection.from_list([str(path), str(sounds / "sounds/bad.wav")]).embed(embed).to_list()
    np.testing.assert_allclose(found[0]["embedding"], row)
    assert "not a sound" in found[1]["reason"]
    with pytest.raises(EncoderError, match="has no tower for sounds"):
        embedder(encoder)(TensorAudio.create_from_file(str(path)))


def test_another_searcher_is_built_with_its_towers(built, sounds, tmp_path):
    output = tmp_path / "again.tflite"
    (tmp_path / "queries.txt").write_text("".join(f"a high tone of {number} hertz\n" for number in range(60)))
    options = ["--encoder", str(built), "--query-list", str(tmp_path / "queries.txt"), "--work-dir", str(tmp_path / "work"), "--no-report"]
    assert main(["build", "--sounds", str(sounds), "--output", str(output), *options]) == 0
    with AudioSearcher.create_from_file(str(output)) as searcher:
        nearest, *_ = searcher.search(TensorAudio.create_from_file(str(sounds / "sounds/00003.wav"))).nearest_neighbors
        assert nearest.metadata == b"sounds/00003.wav"


def test_a_file_without_a_tower_for_sounds_is_refused(searcher_file, sounds, tmp_path, capsys):
    given = ["build", "--sounds", str(sounds), "--encoder", str(searcher_file), "--output", str(tmp_path / "no.tflite")]
    assert main(given) == 1
    assert "has no tower for sounds; expected a file with the signature embed_audio" in capsys.readouterr().err


def test_windows_overlap_by_half_and_end_with_the_recording():
    assert windows("a.wav", 2.05, 2.0) == ["a.wav"]
    assert windows("a.wav", 4.0, 2.0) == ["a.wav#t=0,2", "a.wav#t=1,3", "a.wav#t=2,4"]
    assert windows("a.wav", 4.5, 2.0)[-2:] == ["a.wav#t=2,4", "a.wav#t=2.5,4.5"]


def test_a_window_is_read_from_its_place(tmp_path):
    path = write_wave(tmp_path / "a.wav", np.concatenate([np.zeros(RATE, np.float32), tone(440, 1.0)]))
    wanted = SoundFormat(16000, 8000)
    assert np.abs(load_sound(path, wanted)).max() < 0.01
    part = load_sound(Path(f"{path}#t=1.25,1.75"), wanted)
    np.testing.assert_allclose(part[200:-200], tone(440, 1.0, 16000)[4200:11800], atol=5e-3)
    tail = load_sound(Path(f"{path}#t=1.75,2.25"), wanted)
    assert np.count_nonzero(np.abs(tail[4200:]) > 1e-3) == 0
    with pytest.raises(DataError, match="missing file"):
        load_sound(tmp_path / "gone.wav", wanted)


def test_a_folder_without_sounds_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no sound files in it; looked for .*\.wav"):
        list_sounds(tmp_path, Rejects(), 2.0)
    (tmp_path / "a.wav").write_bytes(b"x")
    with pytest.raises(DataError, match=r"none of 1 sounds can be read; a.wav: not a sound"):
        list_sounds(tmp_path, Rejects(), 2.0)


def test_a_caption_describes_the_windows_that_it_names():
    parts = Parts(["a.wav", *windows("b.wav", 6.0, 2.0)])

    def described(name: str) -> list[str]:
        return [c.image for c in parts.captions([Caption(name, "text", "train", "en", 1)])]

    assert described("a.wav") == ["a.wav"]
    assert described("b.wav") == windows("b.wav", 6.0, 2.0)
    assert described("b.wav#t=0,3") == ["b.wav#t=0,2", "b.wav#t=1,3", "b.wav#t=2,4"]
    assert described("b.wav#t=4.4,4.5") == ["b.wav#t=3,5", "b.wav#t=4,6"]


def test_no_recording_is_on_both_sides_of_a_split(tmp_path):
    names = [name for number in range(10) for name in windows(f"{number}.wav", 6.0, 2.0)]
    split = split_captions([Caption(name, "text", "", "en", 1) for name in names], 0, tmp_path)
    train, held_out = ({file_of(c.image) for c in captions} for captions in (split.train, split.validation))
    assert len(held_out) == 1
    assert not train & held_out
    both = [Caption("a.wav#t=0,2", "text", "train", "en", 1), Caption("a.wav#t=1,3", "text", "val", "en", 2)]
    with pytest.raises(DataError, match="1 images are in both train and val, the first is a.wav"):
        split_captions(both, 0, tmp_path)


def test_mel_features_tell_pitch_direction_and_speed(tmp_path):
    given = write_mel(tmp_path / "mel.tflite", 1.0)
    options = BaseOptions(str(tmp_path / "mel.tflite"))
    with ModelFile(options) as file:
        runner = TensorRunner(file, options)

        def features(samples: np.ndarray) -> np.ndarray:
            return runner.run([samples[None]])[0][0]

        def sweep(first: float, last: float) -> np.ndarray:
            frequency = np.geomspace(first, last, given.samples)
            return np.sin(2 * np.pi * np.cumsum(frequency) / given.sample_rate).astype(np.float32)

        low, high = (features(tone(frequency, 1.0, given.sample_rate))[:384].reshape(48, 8).mean(1).argmax() for frequency in (200, 3000))
        assert low < high
        up, down = (features(samples)[:384].reshape(48, 8).argmax(0) for samples in (sweep(200, 3000), sweep(3000, 200)))
        assert (np.diff(up) >= 0).all()
        assert (np.diff(down) <= 0).all()
        time = np.arange(given.samples) / given.sample_rate
        swings = [features((tone(500, 1.0, 16000) * (time % (1 / beat) < 0.5 / beat)).astype(np.float32))[384:864] for beat in (4, 12)]
        slow, fast = (swing.reshape(12, 40)[2] for swing in swings)
        assert slow[3] > fast[3] + 3
        assert fast[11] > slow[11] + 1


@pytest.mark.parametrize("seconds", [0.5, 1.3])
def test_mel_takes_the_length_that_is_asked_for(tmp_path, seconds):
    tower = sound_tower("mel", SoundModelOptions(window=seconds), tmp_path)
    assert tower.sound is not None
    assert tower.sound.seconds == pytest.approx(seconds, abs=0.02)
    assert tower.dimension == 912


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("wav2vec:x", "unknown kind 'wav2vec'"),
        ("tflite:", r"expected tflite:PATH\[#TENSOR\]"),
        ("mel:2", "expected mel"),
        ("openwakeword:", "expected openwakeword:FOLDER"),
    ],
)
def test_a_wrong_spec_says_what_is_expected(spec, reason):
    with pytest.raises(EncoderError, match=reason):
        parse_audio_spec(spec)


def test_the_rate_of_a_model_is_in_its_metadata_or_given(tmp_path):
    said = sound_tower(f"tflite:{plain_model(tmp_path / 'said.tflite', (1, 400), 8000)}", SoundModelOptions(), tmp_path)
    assert said.sound == SoundFormat(8000, 400)
    silent = plain_model(tmp_path / "silent.tflite", (400,))
    with pytest.raises(EncoderError, match="does not say how many samples there are a second; pass --sample-rate"):
        sound_tower(f"tflite:{silent}", SoundModelOptions(), tmp_path)
    tower = sound_tower(f"tflite:{silent}", SoundModelOptions(sample_rate=16000), tmp_path)
    path = tmp_path / "encoder.tflite"
    write_encoder(path, {"audio": tower}, {"audio": tower.input_shape}, normalize=False, dimension=8, sound=tower.sound)
    again = open_embedder(path)["audio"]
    assert (again.sound, again.input_shape) == (SoundFormat(16000, 400), (1, 400))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("shape", "channels", "reason"),
    [((1, 20, 20), 1, "expected samples of one channel"), ((1, 400), 2, "one channel")],
)
def test_a_model_that_takes_no_single_channel_is_refused(tmp_path, shape, channels, reason):
    path = plain_model(tmp_path / "odd.tflite", shape, 8000, channels)
    with pytest.raises(EncoderError, match=reason):
        sound_tower(f"tflite:{path}", SoundModelOptions(), tmp_path)


def test_options_of_pictures_do_not_go_with_sounds(tmp_path):
    with pytest.raises(UsageError, match="--views: is for pictures"):
        TowerOptions(audio_encoder="mel", views=3)
    with pytest.raises(UsageError, match="a searcher has items of one kind"):
        Corpus(images=tmp_path, sounds=tmp_path)


def test_the_sample_sounds_are_the_same_each_time_and_hold_out_orders(tmp_path):
    first, second = (write_sounds(tmp_path / name, sounds=6, held_out=3) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    for path in sorted((tmp_path / "a" / "sounds").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / "sounds" / path.name).read_bytes()
    plan = plan_sounds(300, 100, 0)
    train, held_out = (
        {tuple((e.kind, e.pitch) for e in s.events) for s in plan if s.split == split and len(s.events) == 2} for split in ("train", "val")
    )
    assert train
    assert held_out
    assert not train & held_out


def test_sounds_are_asked_for_on_the_command_line(built, sounds, capsys):
    assert main(["search", str(built), str(sounds / "sounds/long.wav"), "--by-sound", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["moments"][0]["file"] == "sounds/long.wav"
    assert main(["search", str(built), "a high tone", "-k", "40", "--where", "recording == 'sounds/long.wav'"]) == 0
    assert "  0:00-0:10 of sounds/long.wav" in capsys.readouterr().out


def test_a_folder_of_sounds_is_embedded_and_a_searcher_of_sounds_evaluated(built, sounds, tmp_path, capsys):
    output = tmp_path / "sounds.npy"
    assert main(["embed", str(built), str(sounds), "--kind", "audio", "--output", str(output)]) == 0
    assert np.load(output).shape[0] == 59
    assert "sounds/long.wav#t=8,10" in output.with_suffix(".txt").read_text().splitlines()
    assert main(["evaluate", str(built), "--images", str(sounds), "--captions", str(sounds / "captions.tsv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])


def test_facts_of_a_recording_are_facts_of_its_windows(sounds, tmp_path):
    (tmp_path / "facts.csv").write_text("item,place\nsounds/long.wav,harbour\nsounds/00001.wav,forest\n")
    table = read_facts(tmp_path / "facts.csv")
    columns, summary = item_facts(table, [b"sounds/long.wav#t=0,2", b"sounds/00001.wav", b"sounds/00002.wav"])
    assert facts.values_of(columns["place"]) == ["harbour", "forest", None]
    assert "name no item" not in summary


def test_the_card_of_sounds_speaks_of_sounds(built):
    card = built.with_suffix(".card.md").read_text()
    assert "Finding sounds of this collection by a sentence or by another sound" in card
    assert "captions whose own sound is among the first k results" in card


def test_a_model_of_any_length_gets_the_length_of_the_window(tmp_path):
    """As YAMNet's: the model says no length."""
    source = plain_model(tmp_path / "open.tflite", (1, 16), 8000, is_open=True)
    tower = sound_tower(f"tflite:{source}", SoundModelOptions(window=0.5), tmp_path)
    assert tower.sound == SoundFormat(8000, 4000)
    assert tower.dimension == 8
    with pytest.raises(EncoderError, match="--window 0.1: expected from 0.5 to 60 seconds"):
        SoundModelOptions(window=0.1)


@pytest.mark.skipif(not OPENWAKEWORD.is_dir(), reason=absent(OPENWAKEWORD))
def test_the_speech_embedding_is_that_of_its_two_models(tmp_path, rng):
    path = tmp_path / "speech.tflite"
    given = write_speech_embedding(OPENWAKEWORD, path, 2.0)
    assert given == SoundFormat(16000, 32000)
    samples = rng.normal(0, 0.1, given.samples).astype(np.float32)

    def run(model: Path, values: np.ndarray) -> np.ndarray:
        interpreter = Interpreter(str(model), num_threads=1)
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], values.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values.astype(np.float32))
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    mel = run(OPENWAKEWORD / "melspectrogram.tflite", 32768 * samples[None])[0, 0] / 10 + 2
    each = np.stack([run(OPENWAKEWORD / "embedding_model.tflite", mel[None, at : at + 76, :, None])[0, 0, 0] for at in range(0, 122, 8)])
    means = each.reshape(8, 2, 96).mean(1)
    np.testing.assert_allclose(run(path, samples[None])[0], [*means.T.reshape(-1), *each.max(0)], rtol=1e-3, atol=1e-3)


def test_a_folder_without_the_speech_embedding_is_refused(tmp_path):
    with pytest.raises(EncoderError, match="has no melspectrogram.tflite; expected the models of the package openwakeword 0.5.1"):
        sound_tower(f"openwakeword:{tmp_path}", SoundModelOptions(), tmp_path)
    with pytest.raises(EncoderError, match=r"sounds of 1 seconds are too short; expected at least 1.4"):
        sound_tower(f"openwakeword:{tmp_path}", SoundModelOptions(window=1.0), tmp_path)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_windows_of_no_length_are_refused(seconds):
    with pytest.raises(UsageError, match="a window has to be longer than 0 seconds, found"):
        Collection.from_list(["a.wav"]).windows(seconds)
