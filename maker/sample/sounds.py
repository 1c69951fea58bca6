"""A sample corpus of sounds: tones, sweeps, noise, clicks and chords with English captions, small enough to train in a minute."""

from __future__ import annotations

import os
import random
import wave
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maker.sample.synthesis import KINDS, PITCHES, RATE, synthesise

HEADER = "sound\tsplit\tlang\tcaption\n"
CLASSES = "classes.tsv"
SECONDS, GAP = 2.0, 0.1  # of a sound, and between its events
SINGLE = 0.45  # of the sounds have one event, the others two
PITCH_WORDS = {
    "low": ("low", "deep", "low-pitched"),
    "middle": ("medium", "middle", "mid-range"),
    "high": ("high", "shrill", "high-pitched"),
}
LOUD_WORDS = {"loud": ("loud", "strong", "noisy"), "soft": ("soft", "quiet", "faint")}
LOUD = {"loud": 0.7, "soft": 0.08}  # peak, 1 is full scale
PAIRS = ("{0} then {1}", "{0} followed by {1}", "{0} and {1}", "{1} and {0}")
Progress = Callable[["Iterable[SampleSound]"], "Iterable[SampleSound]"]


@dataclass(frozen=True)
class Event:
    """What is heard: a key of `KINDS`, one of `PITCHES`, and one of `LOUD`."""

    kind: str
    pitch: str
    loudness: str


@dataclass(frozen=True)
class SampleSound:
    """A sound of one or two events, which are equally loud."""

    name: str
    split: str
    events: tuple[Event, ...]


def plan_sounds(sounds: int, held_out: int, seed: int) -> list[SampleSound]:
    """Chooses the events of the training sounds, then of the held-out ones; no order of two events is in both."""
    rng = random.Random(seed)
    planned: list[SampleSound] = []
    pairs: set[tuple[str, ...]] = set()
    while len(planned) < sounds + held_out:
        split = "train" if len(planned) < sounds else "val"
        loudness = rng.choice(sorted(LOUD))
        events = tuple(Event(rng.choice(sorted(KINDS)), rng.choice(sorted(PITCHES)), loudness) for _ in range(_events(rng)))
        pair = tuple(event.kind + event.pitch for event in events)
        if len(events) == 2 and split == "val" and pair in pairs:
            continue
        if split == "train":
            pairs.add(pair)
        planned.append(SampleSound(f"sounds/{len(planned):05d}.wav", split, events))
    return planned


def write_sounds(folder: Path, *, sounds: int = 1600, held_out: int = 400, seed: int = 0, progress: Progress | None = None) -> Path:
    """Synthesises a corpus of captioned sounds: `sounds/*.wav` of two seconds and `captions.tsv`, with three captions per sound.

    `classes.tsv` has what is heard in each sound with one event. `captions.tsv` is written last, so a folder that has it is complete. The
    same arguments always give the same captions and the same sounds.

    Args:
        folder: Where to write; created if missing.
        sounds: The number of training sounds.
        held_out: The number of validation sounds; their orders of two events are missing from the training sounds.
        seed: Chooses the sounds and their wording.
        progress: Wraps the sounds while they are written, as `tqdm` does.

    Returns:
        The path of `captions.tsv`: columns sound, split (train or val), lang (en) and caption.
    """
    plan = plan_sounds(sounds, held_out, seed)
    captions = folder / "captions.tsv"
    (folder / "sounds").mkdir(parents=True, exist_ok=True)
    captions.unlink(missing_ok=True)
    lines, classes = [HEADER], ["sound\tkind\tpitch\tloudness\n"]
    for sound in progress(plan) if progress else plan:
        _write_wave(folder / sound.name, sound_of(sound, seed))
        lines += [f"{sound.name}\t{sound.split}\ten\t{caption}\n" for caption in captions_of(sound, seed)]
        if len(sound.events) == 1:
            (event,) = sound.events
            classes.append(f"{sound.name}\t{event.kind}\t{event.pitch}\t{event.loudness}\n")
    _write(folder / CLASSES, classes)
    _write(captions, lines)
    return captions


def sound_of(sound: SampleSound, seed: int) -> np.ndarray:
    """The samples, `(SECONDS * RATE,)` float32 at `RATE`."""
    rng = np.random.default_rng([seed, int(Path(sound.name).stem)])
    samples = rng.normal(0, 1e-3, round(SECONDS * RATE))
    length = (SECONDS - GAP * (len(sound.events) + 1)) / len(sound.events)
    for number, event in enumerate(sound.events):
        seconds = length * rng.uniform(0.8, 1.0)
        start = GAP + number * (length + GAP) + rng.uniform(0, length - seconds)
        made = LOUD[event.loudness] * rng.uniform(0.8, 1.2) * synthesise(event.kind, event.pitch, seconds, rng)
        first = round(start * RATE)
        samples[first : first + len(made)] += made
    return np.clip(samples, -1, 1).astype(np.float32)


def captions_of(sound: SampleSound, seed: int) -> list[str]:
    """Three captions of a sound."""
    rng = random.Random(f"{seed} {sound.name}")
    captions = []
    for _ in range(3):
        phrases = [_phrase(event, rng) for event in sound.events]
        captions.append(phrases[0] if len(phrases) == 1 else rng.choice(PAIRS).format(*phrases))
    return captions


def _events(rng: random.Random) -> int:
    return 1 if rng.random() < SINGLE else 2


def _phrase(event: Event, rng: random.Random) -> str:
    words = [rng.choice(LOUD_WORDS[event.loudness]), rng.choice(PITCH_WORDS[event.pitch])]
    phrase = " ".join([*words, rng.choice(KINDS[event.kind])])
    return phrase if phrase.endswith("s") else f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _write_wave(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())


def _write(path: Path, lines: list[str]) -> None:
    unfinished = path.with_suffix(".part")
    unfinished.write_text("".join(lines), encoding="utf-8", newline="\n")
    os.replace(unfinished, path)
