"""What is found among the synthesised sample sounds, by words and by sounds; `make bench-sound` runs it."""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from pathlib import Path

import numpy as np

from maker.encoders.audio import MEL, SoundModelOptions, sound_tower
from maker.export.encoder_file import write_encoder
from maker.pipeline import BuildOptions, Corpus, TowerOptions, build
from maker.sample.sounds import CLASSES, write_sounds
from task.audio import AudioEmbedder, AudioSearcher, AudioSearcherOptions, TensorAudio
from task.core import BaseOptions
from task.processor import SearchOptions

SOUNDS, HELD_OUT = 2400, 400
EPOCHS = 20
WINDOW = 2.0  # seconds of a sound
HOURS = 100
NEAREST = 5


def main() -> None:
    """Prints one JSON object per encoder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, default=Path("build/sound"))
    parser.add_argument("--openwakeword", type=Path, help="folder of the models of that package")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    specs = [MEL, *([f"openwakeword:{given.openwakeword}"] if given.openwakeword else [])]
    for spec in specs:
        rows = [measured(given.folder, spec, seed) for seed in range(given.seeds)]
        found = {name: round(float(np.mean([row[name] for row in rows])), 1) for name in rows[0]}
        least = {f"least {name}": min(row[name] for row in rows) for name in ("text to sound R@10", "sound to sound P@5")}
        sys.stdout.write(
            f"{json.dumps({'encoder': spec.partition(':')[0], 'seeds': given.seeds, **found, **least, **cost(given.folder, spec)})}\n"
        )


def measured(folder: Path, spec: str, seed: int) -> dict[str, float]:
    """Figures in percent for the corpus and the training of one seed."""
    corpus = folder / f"sounds-{seed}"
    if not (corpus / "captions.tsv").exists():
        write_sounds(corpus, sounds=SOUNDS, held_out=HELD_OUT, seed=seed)
    output = folder / f"{spec.partition(':')[0]}-{seed}.tflite"
    options = BuildOptions(towers=TowerOptions(audio_encoder=spec), training={"epochs": EPOCHS, "seed": seed}, report=False, overwrite=True)
    figures = build(Corpus(sounds=corpus, captions=corpus / "captions.tsv"), output, options).figures["retrieval"]
    return {
        "text to sound R@1": figures["R@1"],
        "text to sound R@10": figures["R@10"],
        "by chance R@10": figures["R@10_chance"],
        "sound to sound P@5": sounds_of_the_class(output, corpus),
    }


def sounds_of_the_class(searcher: Path, corpus: Path) -> float:
    """Percent of the five sounds nearest to a held-out sound of one event, among all others, that have one event of its kind and pitch."""
    with (corpus / CLASSES).open(encoding="utf-8") as file:
        classes = {row["sound"]: (row["kind"], row["pitch"]) for row in csv.DictReader(file, delimiter="\t")}
    options = AudioSearcherOptions(BaseOptions(str(searcher)), search_options=SearchOptions(max_results=NEAREST + 1))
    right = []
    with AudioSearcher.create_from_options(options) as opened:
        for name in sorted(classes)[-len(classes) * HELD_OUT // (SOUNDS + HELD_OUT) :]:
            nearest = [n.metadata.decode() for n in opened.search(TensorAudio.create_from_file(str(corpus / name))).nearest_neighbors]
            others = [other for other in nearest if other != name][:NEAREST]
            right += [classes.get(other) == classes[name] for other in others]
    return round(100 * float(np.mean(right)), 1)


def cost(folder: Path, spec: str) -> dict[str, float]:
    """What embedding costs in processor time, and what 100 hours of recordings would: windows of two seconds that overlap by half."""
    tower = sound_tower(spec, SoundModelOptions(window=WINDOW), folder)
    path = folder / "tower.tflite"
    write_encoder(path, {"audio": tower}, {"audio": tower.input_shape}, dimension=tower.dimension, sound=tower.sound)
    assert tower.sound is not None
    sound = TensorAudio(np.random.default_rng(0).normal(0, 0.1, tower.sound.samples).astype(np.float32), tower.sound.sample_rate)
    seconds = []
    with AudioEmbedder.create_from_options(AudioEmbedder.options_type(BaseOptions(str(path), num_threads=1))) as embedder:
        for _ in range(50):
            begin = time.process_time()
            embedder.embed(sound)
            seconds.append(time.process_time() - begin)
    p50 = float(np.median(seconds))
    windows = HOURS * 3600 / (WINDOW / 2)
    return {
        "embed p50 ms": round(1e3 * p50, 2),
        "embed p99 ms": round(1e3 * float(np.quantile(seconds, 0.99)), 2),
        "tower bytes": path.stat().st_size,
        f"{HOURS} hours, windows": windows,
        f"{HOURS} hours, core hours": round(windows * p50 / 3600, 2),
        f"{HOURS} hours, MB of rows of 128 bytes": round(windows * 128 / 1e6, 1),
    }


if __name__ == "__main__":
    main()
