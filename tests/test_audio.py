"""Sounds in the runtime: decoding, resampling, and searching by them."""

from __future__ import annotations

import sys
import types
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from maker.pipeline.index import index_embeddings
from task.audio import AudioEmbedder, AudioRecord, AudioSearcher, TensorAudio, decode
from task.audio.resample import resample
from task.errors import DamagedFileError, InvalidArgumentError, MissingFileError
from task.format.moment import Moment, file_of, moment_of
from task.format.sound_format import SoundFormat
from task.processor import NearestNeighbor, SearchResult, found_moments
from task.text import Query, TextEmbedder, TextSearcher
from task.vision import ImageSearcher, TensorImage
from tests.written_sounds import FORMAT, RATE, plain_model, sound_encoder, tone, write_wave

STARTS = (0.0, 0.04, 0.08, 0.12)  # of the tones that the searcher finds


@pytest.fixture(scope="module")
def sound_searcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A searcher of four sounds, which differ in when they begin."""
    folder = tmp_path_factory.mktemp("sounds")
    encoder, output = sound_encoder(folder / "encoder.tflite"), folder / "sounds.tflite"
    with AudioEmbedder.create_from_file(str(encoder)) as embedder:
        sounds = [TensorAudio(tone(440, 0.2, start=start), RATE) for start in STARTS]
        rows = np.stack([embedder.embed(sound).embeddings[0].feature_vector.value for sound in sounds])
    index_embeddings(rows, [f"{start:g}.wav".encode() for start in STARTS], output, embedder=encoder)
    return output


def nearest(result: SearchResult) -> bytes:
    return result.nearest_neighbors[0].metadata


@pytest.mark.parametrize(("source", "target"), [(44100, 16000), (48000, 16000), (8000, 16000), (22050, 8000), (32000, 48000)])
def test_a_tone_keeps_its_pitch_and_loudness_at_another_rate(source, target):
    found = resample(tone(440, 0.5, source), source, target)
    expected = tone(440, 0.5, target)
    assert len(found) == len(expected)
    inner = slice(target // 20, -target // 20)  # at the ends the filter meets the silence outside
    np.testing.assert_allclose(found[inner], expected[inner], atol=2e-3)


def test_what_the_lower_rate_cannot_hold_is_filtered_out():
    found = resample(tone(6000, 0.5, 16000), 16000, 8000)
    assert np.abs(found[20:-20]).max() < 0.02
    constant = resample(np.ones(1000, np.float32), 44100, 16000)
    np.testing.assert_allclose(constant[20:-20], 1, atol=1e-6)


def test_a_rate_that_stays_changes_nothing():
    samples = tone(440, 0.1)
    np.testing.assert_array_equal(resample(samples, RATE, RATE), samples)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("packages", [["soundfile", "av"], ["av"], []])
def test_wav_files_are_read_alike_by_every_package(tmp_path, monkeypatch, width, packages):
    monkeypatch.setattr(decode, "_is_installed", lambda package: package in packages)
    stereo = np.stack([tone(440, 0.3), tone(660, 0.3)], axis=1)
    path = write_wave(tmp_path / "stereo.wav", stereo, width=width)
    samples, rate = decode.decode(path)
    assert rate == RATE
    assert decode.duration(path) == pytest.approx(0.3)
    np.testing.assert_allclose(samples, stereo.mean(1), atol=0.02 if width == 1 else 1e-3)
    part, _ = decode.decode(path, start=0.11, seconds=0.05)
    np.testing.assert_allclose(part, samples[880:1280], atol=1e-6)


def test_other_formats_are_read_by_soundfile_and_by_av(tmp_path, monkeypatch):
    soundfile, av = pytest.importorskip("soundfile"), pytest.importorskip("av")
    flac, movie = tmp_path / "a.flac", tmp_path / "a.mp4"
    soundfile.write(flac, tone(440, 1.0), RATE)
    with av.open(str(movie), "w") as container:
        stream = container.add_stream("aac", rate=RATE)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(tone(440, 1.0)[None], format="fltp", layout="mono")
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    by_soundfile, _ = decode.decode(flac)
    monkeypatch.setattr(decode, "_is_installed", lambda package: package == "av")
    np.testing.assert_allclose(decode.decode(flac)[0], by_soundfile, atol=1e-4)
    samples, rate = decode.decode(movie, start=0.25, seconds=0.5)
    assert (rate, len(samples)) == (RATE, 4000)
    loudest = np.abs(np.fft.rfft(samples)).argmax() * RATE / len(samples)
    assert loudest == pytest.approx(440, abs=4)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty file"), (b"no sound at all", "not a sound"), (b"RIFF\x24\0\0\0WAVEfmt ", "sound")]
)
def test_a_bad_file_is_named_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(InvalidArgumentError, match=rf"bad.wav: cannot be read as a sound \(.*{reason}"):
        TensorAudio.create_from_file(str(path))
    with pytest.raises(decode.UnreadableSoundError):
        decode.duration(path)
    with pytest.raises(InvalidArgumentError, match="the buffer cannot be read"):
        TensorAudio.create_from_buffer(content)
    with pytest.raises(MissingFileError, match="gone.wav"):
        TensorAudio.create_from_file(str(tmp_path / "gone.wav"))


def test_without_packages_only_wav_is_read_and_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "_is_installed", lambda package: False)
    path = tmp_path / "a.mp3"
    path.write_bytes(b"ID3\x04 something")
    with pytest.raises(InvalidArgumentError, match=r"other sounds need soundfile: pip install 'pocket-searcher\[sound\]'"):
        TensorAudio.create_from_file(str(path))


def test_a_part_behind_the_end_of_a_file_is_refused(tmp_path):
    path = write_wave(tmp_path / "short.wav", tone(440, 0.1))
    with pytest.raises(InvalidArgumentError, match="no sound at 5 seconds"):
        TensorAudio.create_from_file(str(path), start=5.0)


def test_arrays_of_whole_numbers_and_of_channels_become_one_channel_of_floats():
    assert TensorAudio.create_from_array(np.array([16384, -32768], np.int16), 8000).buffer.tolist() == [0.5, -1.0]
    assert TensorAudio.create_from_array(np.array([[0.5, 0.0], [1.0, 0.5]]), 8000).buffer.tolist() == [0.25, 0.75]
    for wrong, reason in ((np.array([1, 2], np.uint8), "uint8"), (np.zeros((0,)), r"\(0,\)"), (np.array([np.nan]), "not finite")):
        with pytest.raises(InvalidArgumentError, match=reason):
            TensorAudio.create_from_array(wrong, 8000)
    with pytest.raises(InvalidArgumentError, match="sample rate has to be a whole number from 1 to 768000, found 0"):
        TensorAudio.create_from_array(np.zeros(3), 0)


def test_a_query_is_the_loudest_part_and_is_filled_up_with_silence():
    wanted = SoundFormat(1000, 100)
    short = TensorAudio(np.ones(60, np.float32), 1000).samples_for(wanted)
    assert short.tolist() == [1.0] * 60 + [0.0] * 40
    samples = np.zeros(1000, np.float32)
    samples[640:740] = 0.5
    found = TensorAudio(samples, 1000).samples_for(wanted)
    assert (len(found), found.dtype) == (100, np.float32)
    assert np.count_nonzero(found) >= 90


def test_sounds_find_themselves_at_any_rate_and_length(sound_searcher):
    with AudioSearcher.create_from_file(str(sound_searcher)) as searcher:
        for start in STARTS:
            for rate in (RATE, 16000, 22050):
                query = TensorAudio.create_from_array(tone(440, 0.2, rate, start), rate)
                assert nearest(searcher.search(query)) == f"{start:g}.wav".encode()
        many = [TensorAudio(tone(440, 0.2, start=start), RATE) for start in STARTS]
        assert [nearest(result) for result in searcher.search_batch(many)] == [f"{start:g}.wav".encode() for start in STARTS]
        assert [n.id for n in searcher.search(many[0], allowed=[2, 3]).nearest_neighbors] == [2, 3]


def test_sounds_are_parts_of_queries_and_can_be_added(sound_searcher):
    late = TensorAudio(tone(440, 0.2, start=0.12), RATE)
    with TextSearcher.create_from_file(str(sound_searcher)) as searcher:
        assert nearest(searcher.search(Query(late))) == b"0.12.wav"
        alone, both = (searcher.search(query).nearest_neighbors for query in (Query(late), Query(late) - TensorAudio(tone(440, 0.2), RATE)))
        assert [n.metadata for n in both][-1] == b"0.wav"
        assert len(alone) == len(both) == 4
        added = searcher.add(TensorAudio(tone(440, 0.2, start=0.16), RATE), "new.wav")
        assert searcher.search(Query(TensorAudio(tone(440, 0.2, start=0.16), RATE))).nearest_neighbors[0].id == added
    with AudioSearcher.create_from_file(str(sound_searcher)) as audio:
        assert nearest(audio.search(Query(late))) == b"0.12.wav"
    with AudioSearcher.create_from_files([str(sound_searcher), str(sound_searcher)]) as shards:
        assert [n.id for n in shards.search(late).nearest_neighbors[:2]] == [3, 7]


def test_what_a_file_takes_is_told_apart(sound_searcher, searcher_file):
    with AudioEmbedder.create_from_file(str(sound_searcher)) as embedder:
        assert (embedder.required_sample_rate, embedder.required_input_buffer_size) == (RATE, FORMAT.samples)
        with pytest.raises(InvalidArgumentError, match="has to be a TensorAudio, found ndarray"):
            embedder.embed(np.zeros(10))  # type: ignore[arg-type]
    with (
        AudioSearcher.create_from_file(str(searcher_file)) as searcher,
        pytest.raises(InvalidArgumentError, match="there is no 'embed_audio'"),
    ):
        searcher.search(TensorAudio(np.zeros(10), RATE))
    with (
        ImageSearcher.create_from_file(str(sound_searcher)) as images,
        pytest.raises(InvalidArgumentError, match="there is no 'search_image'"),
    ):
        images.search(TensorImage(np.zeros((4, 4, 3), np.uint8)))


@pytest.mark.parametrize(
    "described", [{}, {"sample_rate": 8000, "samples": 7, "channels": 1}, {"sample_rate": "8000", "samples": 1600, "channels": 1}]
)
def test_a_manifest_that_does_not_fit_the_model_is_damaged(sound_searcher, described):
    with AudioSearcher.create_from_file(str(sound_searcher)) as searcher:
        searcher.engine.manifest.query["audio"] = described  # type: ignore[attr-defined]
        with pytest.raises(DamagedFileError, match="samples"):
            searcher.search(TensorAudio(np.zeros(10), RATE))


def test_a_record_keeps_the_newest_samples(monkeypatch):
    made: list[dict] = []

    class InputStream:
        def __init__(self, **options):
            made.append(options)

        def start(self):
            for number in range(4):
                made[0]["callback"](np.full((10, 1), number / 4, np.float32), 10, None, None)

        def stop(self):
            pass

    monkeypatch.setitem(sys.modules, "sounddevice", types.SimpleNamespace(InputStream=InputStream))
    record = AudioRecord(1, RATE, 25)
    with pytest.raises(InvalidArgumentError, match="heard nothing"):
        TensorAudio.create_from_record(record, 1.0)
    record.start_recording()
    record.stop()
    assert record.read(12)[:, 0].tolist() == [0.5] * 2 + [0.75] * 10
    assert len(TensorAudio.create_from_record(record, 1.0).buffer) == 25
    with pytest.raises(InvalidArgumentError, match="have to be above 0, found 0"):
        AudioRecord(0, RATE, 1)


def test_a_record_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(InvalidArgumentError, match="pip install sounddevice"):
        AudioRecord(1, RATE, 10)


def test_results_of_one_recording_that_overlap_are_one_span():
    names = ["b.wav#t=3,5", "a.wav#t=0,2", "a.wav#t=8,10", "a.wav#t=1,3", "whole.wav", "b.wav#t=5.4,7", "a.wav#t=2,4"]
    found = found_moments([NearestNeighbor(name.encode(), place / 10, None, place) for place, name in enumerate(names)])
    assert [(str(span.moment), span.best.id, span.results) for span in found] == [
        ("b.wav#t=3,7", 0, 2),
        ("a.wav#t=0,4", 1, 3),
        ("a.wav#t=8,10", 2, 1),
    ]
    assert found_moments([]) == []
    assert [Moment("a", start, end).clock for start, end in ((4, 67.5), (3600, 3659.97))] == ["0:04-1:07.5", "1:00:00-1:01:00"]


def test_a_task_library_model_for_sounds_is_opened_by_its_metadata(tmp_path):
    path = plain_model(tmp_path / "embedder.tflite", (1, 400), 8000)
    with AudioEmbedder.create_from_file(str(path)) as embedder:
        assert (embedder.required_sample_rate, embedder.required_input_buffer_size) == (8000, 400)
        sound = np.linspace(-1, 1, 400).astype(np.float32)
        np.testing.assert_allclose(embedder.embed(TensorAudio(sound, 8000)).embeddings[0].feature_vector.value, sound[:8])
    with TextEmbedder.create_from_file(str(path)) as text, pytest.raises(InvalidArgumentError, match="embeds sounds, not text"):
        text.embed("words")
    stereo = plain_model(tmp_path / "stereo.tflite", (1, 400), 8000, channels=2)
    with pytest.raises(InvalidArgumentError, match="one channel"):
        AudioEmbedder.create_from_file(str(stereo))


@pytest.mark.parametrize(
    ("moment", "name"), [(Moment("a/b.wav", 0, 2), "a/b.wav#t=0,2"), (Moment("c#1.mp4", 1.5, 3602.125), "c#1.mp4#t=1.5,3602.125")]
)
def test_names_of_parts_say_when_they_begin_and_end(moment, name):
    assert str(moment) == name
    assert moment_of(name) == moment
    assert file_of(name) == moment.file


@pytest.mark.parametrize("name", ["a.wav", "a.wav#t=2", "a.wav#t=3,2", "#t=1,2", "a.wav#t=-1,2"])
def test_other_names_are_whole_files(name):
    assert moment_of(name) is None
    assert file_of(name) == name


def test_a_rate_that_no_recorder_has_is_refused_before_it_takes_all_memory(tmp_path):
    write_wave(tmp_path / "a.wav", tone(440, 0.1), 999_999_937)
    with pytest.raises(InvalidArgumentError, match="its header says 999999937 samples a second, expected at most 768000"):
        TensorAudio.create_from_file(str(tmp_path / "a.wav"))


@pytest.mark.parametrize("rate", [0, -1, 1.5, float("nan"), "16000", 1_000_000])
def test_a_sample_rate_that_is_none_is_refused(rate):
    with pytest.raises(InvalidArgumentError, match="the sample rate has to be a whole number from 1 to 768000, found"):
        TensorAudio.create_from_array(np.zeros(9), rate)


def test_an_array_of_channels_by_samples_and_values_beyond_float32_are_refused():
    with pytest.raises(InvalidArgumentError, match=r"the array is \(2, 1600\), expected \(samples, channels\); transpose it"):
        TensorAudio.create_from_array(np.zeros((2, 1600)), 16000)
    with pytest.raises(InvalidArgumentError, match="a sample that is not finite in float32"):
        TensorAudio.create_from_array(np.array([1e300]), 16000)


def test_what_cannot_be_opened_is_an_unreadable_sound(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"cannot be read as a sound \(cannot be opened: Is a directory\)"):
        TensorAudio.create_from_file(str(tmp_path))


def test_sounds_of_formats_whose_clock_starts_late_are_read_from_their_beginning(tmp_path):
    av = pytest.importorskip("av")
    samples = np.concatenate([tone(440, 2.0, 48000), tone(1760, 2.0, 48000)])
    with av.open(str(tmp_path / "a.ts"), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 48000, Fraction(1, 48000), 3 * 48000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    for start, pitch in ((0.2, 440), (1.0, 440), (2.2, 1760)):
        found, rate = decode.decode(tmp_path / "a.ts", start, 0.75)
        assert len(found) == pytest.approx(0.75 * rate, abs=rate // 20)
        assert np.argmax(np.abs(np.fft.rfft(found))) * rate / len(found) == pytest.approx(pitch, abs=5)
