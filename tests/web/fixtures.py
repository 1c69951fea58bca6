"""What the browser tests ask: sites made from drawn scenes and from random vectors, and Python's answers.

python tests/web/fixtures.py make FOLDER     # sites: sample/, relevant/, …; expected.json; query pictures
python tests/web/fixtures.py serve SITE      # prints the address
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from photo_folder import BROKEN, OTHERS, draw
from PIL import Image

from maker import searcher
from maker.encoders.embedder import open_embedder
from maker.export.searcher_file import DEFAULT_K, SearcherContent, write_searcher
from maker.index.build import build_index
from maker.index.lexical import lexical_index
from maker.index.projection import learn_directions
from maker.pipeline.empty import export_empty
from maker.pipeline.index import FileContent, IndexedItems, index_embeddings, write_index
from maker.pipeline.layouts import Layout, with_layout
from maker.pipeline.tuning import IndexSettings
from maker.preview.server import Server
from maker.preview.site import preview
from maker.tokenizers.adversarial import adversarial_texts
from task.audio import AudioEmbedder, AudioSearcher, TensorAudio
from task.core import BaseOptions
from task.format.facts import Column, column_of
from task.format.stored_rows import Rows, StoredRows, locate_rows
from task.processor import NearestNeighbor, SearchOptions
from task.processor.options import AUTO
from task.search import GraphEngine, SearchRequest
from task.text import Query, TextSearcher, TextSearcherOptions
from task.vision import ImageSearcher, ImageSearcherOptions, TensorImage
from task.vision.query import query_pixels

sys.path.append(str(Path(__file__).parents[2]))
from tests.asked.cases import write as write_asked  # noqa: E402 - a script is not run from the root
from tests.found_file import JUDGED, judged, with_found  # noqa: E402
from tests.overlays.cases import write as write_overlays  # noqa: E402
from tests.tokenizer_files import answers_alike, tokenizing_searchers  # noqa: E402
from tests.written_searcher import write_sample  # noqa: E402
from tests.written_sounds import FORMAT, sound_encoder, tone, write_wave  # noqa: E402
from tests.written_videos import drawn, scenes, write_video  # noqa: E402

SCENES, HELD_OUT, ITEMS, PHOTOS, SOUNDS = 240, 40, 100_000, 293, 12
ANSWERS = 10
ENCODER, CAPTIONS = "encoder.tflite", "captions.tsv"
CUT = 0.25
LAYOUTS = {"split": Layout(8, "rest4", 20), "tree-split": Layout(8, "rest4", 23), "tree-split-8": Layout(8, "rest8", 23)}
KINDS: dict[str, tuple[searcher.ScaNNOptions, int]] = {  # kinds of rows, and their bits
    "int8": (searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1)), 8),
    "tree": (searcher.ScaNNOptions("dot_product", tree=searcher.Tree(20, 20), score_ah=searcher.ScoreAH(1)), 8),
    "tree-l2": (searcher.ScaNNOptions("squared_l2", tree=searcher.Tree(20, 20), score_ah=searcher.ScoreAH(1)), 8),
    "bits": (searcher.ScaNNOptions("squared_l2", score_ah=searcher.ScoreAH(1)), 4),
    "tree-bits": (searcher.ScaNNOptions("dot_product", tree=searcher.Tree(20, 20), score_ah=searcher.ScoreAH(1)), 4),
    "split": (searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1)), 8),
    "tree-split": (searcher.ScaNNOptions("dot_product", tree=searcher.Tree(20, 20), score_ah=searcher.ScoreAH(1)), 8),
    "tree-split-8": (searcher.ScaNNOptions("dot_product", tree=searcher.Tree(20, 20), score_ah=searcher.ScoreAH(1)), 8),
    "float32": (searcher.ScaNNOptions("squared_l2", score_brute_force=searcher.ScoreBruteForce()), 8),
    "codes": (searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(3)), 8),
}


def make(folder: Path) -> None:
    """Makes everything that is not there yet."""
    scenes = folder / "scenes"
    names = ("built", "sample", "relevant", "found", "album", "large", "vectors", "empty")
    built, sample, relevant, found, album, large, vectors, empty = (folder / f"{name}.tflite" for name in names)
    folder.mkdir(parents=True, exist_ok=True)
    if not built.exists():
        write_sample(scenes, built, folder / ENCODER, SCENES, HELD_OUT)
    if not sample.exists():
        copy_with_curve(built, sample, {})
    curve, matched, unmatched, gated = make_curve(sample)
    if not relevant.exists():
        copy_with_curve(sample, relevant, {"search_text": curve})
    if not found.exists():
        with_found(sample, found, JUDGED)
    if not album.exists():
        make_album(sample, scenes, album)
    if not large.exists():
        make_large(folder / ENCODER, large)
    if not vectors.exists():
        make_vectors(vectors)
    if not empty.exists():
        export_empty(str(sample), empty, lexical=True)
    preview(empty, None, folder / "empty", overwrite=True)
    for path in (sample, relevant, found, album, large, vectors):
        preview(path, scenes, folder / path.stem, overwrite=True)
    tokenized = tokenizing_searchers(folder / "tokenized")
    for path in tokenized:
        preview(path, scenes, path.parent / "site", overwrite=True)
    make_sounds(folder)
    make_moments(folder)
    make_host(folder)
    if not (folder / "photos").exists():
        draw(folder / "photos", sorted(scenes.rglob("*.png")), PHOTOS)
    queries = make_queries(folder, next(scenes.rglob("*.png")))
    expected = {"pictures": by_picture(sample, queries), "like": by_item(sample), "codes": by_item(vectors), **by_parts(sample)}
    expected["tokenized"] = {path.parent.name: by_sentence(path, texts) for path, texts in tokenized.items()}
    expected |= {name: by_words(relevant, text) for name, text in (("matched", matched), ("unmatched", unmatched), ("gated", gated))}
    expected["photos"] = {"broken": BROKEN, "others": len(OTHERS), **by_photo(sample, folder / "photos")}
    expected["sounds"] = by_sound(folder / "sounds.tflite", folder / "sound-files")
    expected["judged"] = [judged(found, text, DEFAULT_K) for text in JUDGED]
    (folder / "expected.json").write_text(json.dumps(expected, indent=1))


def by_photo(path: Path, folder: Path) -> dict[str, object]:
    """Python's embeddings of the photos that it can read."""
    options = BaseOptions(str(path), num_threads=1)
    found = {}
    photos = [photo for photo in sorted(folder.rglob("*")) if photo.is_file()]
    with ImageSearcher.create_from_options(ImageSearcherOptions(options)) as searcher:
        for photo in photos:
            name = photo.relative_to(folder).as_posix()
            if name not in (*BROKEN, *OTHERS):
                pixels = query_pixels(TensorImage.create_from_file(str(photo)), None, searcher.engine)
                found[f"photos/{name}"] = searcher.engine.embed_image(pixels).tolist()
    return {"embeddings": found}


def make_sounds(folder: Path) -> None:
    """A searcher of tones, which differ in when they begin and how long they last, and its site."""
    path, files = folder / "sounds.tflite", folder / "sound-files"
    if not path.exists():
        files.mkdir(exist_ok=True)
        encoder = sound_encoder(folder / "sound-encoder.tflite")
        for number in range(SOUNDS):
            start, end = 0.01 * number, 0.1 + 0.02 * (number % 5)
            samples = tone(440, FORMAT.seconds, start=start) * (np.arange(FORMAT.samples) < (start + end) * FORMAT.sample_rate)
            write_wave(files / f"{number}.wav", samples)
        with AudioEmbedder.create_from_file(str(encoder)) as embedder:
            given = [TensorAudio.create_from_file(str(files / f"{number}.wav")) for number in range(SOUNDS)]
            rows = np.stack([embedder.embed(sound).embeddings[0].feature_vector.value for sound in given])
        index_embeddings(rows, [f"{number}.wav".encode() for number in range(SOUNDS)], path, embedder=encoder)
    preview(path, files, folder / "sounds", overwrite=True, player="audio")


def make_moments(folder: Path) -> None:
    """A searcher of the moments of two videos, one of which browsers cannot play, and its site."""
    path, files = folder / "moments.tflite", folder / "video-files"
    if not path.exists():
        files.mkdir(exist_ok=True)
        pictures = [drawn(scene) for scene in scenes(4)]
        write_video(files / "four scenes #1.webm", pictures, codec="libvpx")
        write_video(files / "old.avi", pictures[:1])
        names = [f"four scenes #1.webm#t={2 * i},{2 * i + 2}" for i in range(4)] + ["old.avi#t=0,2"]
        embedder = open_embedder(str(folder / ENCODER))["image"]
        rows = np.random.default_rng(0).standard_normal((len(names), embedder.dimension)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        index_embeddings(rows, [name.encode() for name in names], path, embedder=folder / ENCODER)
    preview(path, files, folder / "moments", overwrite=True, player="video")


def by_sound(path: Path, files: Path) -> dict[str, list[tuple[str, float]]]:
    """What Python finds for some of the sounds."""
    with AudioSearcher.create_from_file(str(path)) as searcher:
        asked = {name: searcher.search(TensorAudio.create_from_file(str(files / name))) for name in ("2.wav", "9.wav")}
        return {name: [(n.metadata.decode(), n.distance) for n in result.nearest_neighbors] for name, result in asked.items()}


def by_sentence(path: Path, texts: Sequence[str]) -> list[dict[str, object]]:
    """What Python finds for sentences, by a searcher whose pretrained text tower has its tokenizer in the graph."""
    engine = GraphEngine(BaseOptions(str(path), num_threads=1))
    found = []
    for text in (*texts, *(text for text in adversarial_texts(60) if isinstance(text, str) and answers_alike(path, ANSWERS) == ANSWERS)):
        nearest = engine.search_text(text, SearchRequest(max_results=answers_alike(path, ANSWERS))).nearest_neighbors
        found.append({"words": text, "items": [n.metadata.decode() for n in nearest]})
    engine.close()
    return found


def by_parts(path: Path) -> dict[str, object]:
    """What Python finds for texts that exclude words, and for several items together."""
    texts = ('a red ball -"blue car"', "-tree a house  -cat", "a boat -boats -ship", "a cat on grass -dog -dog")
    several = ([3, 17], [0, 5, 5, 9])
    options = SearchOptions(max_results=ANSWERS)
    with TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(str(path), num_threads=1), search_options=options)) as searcher:

        def answers(query: Query) -> list[tuple[str, float]]:
            return [(n.metadata.decode(), n.distance) for n in searcher.search(query).nearest_neighbors]

        def together(items: Sequence[int]) -> Query:
            first, *others = (Query(searcher.get_embedding(item)) for item in items)
            return sum(others, first)

        composed = {text: answers(Query.parse(text)) for text in texts}
        return {"composed": composed, "several": {",".join(map(str, items)): answers(together(items)) for items in several}}


def copy_with_curve(path: Path, copy: Path, curves: dict[str, object]) -> None:
    """The same items and towers with another relevance curve, or without one."""
    engine = GraphEngine(BaseOptions(str(path), num_threads=1))
    ids, rows = engine.contents()
    metadata = [engine.item(int(i)) for i in ids]
    engine.close()
    items = IndexedItems(embeddings=rows, metadata=metadata, embedder=path, normalized=True)
    write_index(items, copy, IndexSettings(), FileContent(relevance=curves))


def make_curve(path: Path) -> tuple[dict[str, float], str, str, str]:
    """A curve and three sentences: one with matches, one whose results are all below the cut, and one whose first is, though above the cut,
    below the gate.
    """
    engine = GraphEngine(BaseOptions(str(path), num_threads=1))
    things = ("ball", "car", "cat", "boat", "tree", "house", "balloon", "flower")
    asked = [f"a {colour} {thing}" for colour in ("red", "blue", "green") for thing in things]
    found = {text: [n.distance for n in engine.search_text(text, SearchRequest(max_results=50)).nearest_neighbors] for text in asked}
    engine.close()
    matched, unmatched = (choose(asked, key=lambda text: found[text][0]) for choose in (min, max))
    middle = min(found[matched][0] + found[unmatched][0], found[matched][7] + found[matched][8]) / 2
    if not found[matched][-1] > middle < found[unmatched][0]:
        raise SystemExit(f"{path}: no cut between the results of {matched!r} and {unmatched!r}")
    gated = max((text for text in asked if found[text][0] < middle), key=lambda text: found[text][0])
    if gated == matched:
        raise SystemExit(f"{path}: no first result between that of {matched!r} and the cut")
    intercept = float(np.log(1 / CUT - 1) - 20 * middle)
    gate = 1 / (1 + float(np.exp(10 * (found[matched][0] + found[gated][0]) + intercept)))
    return {"slope": 20.0, "intercept": intercept, "cut": CUT, "gate": gate}, matched, unmatched, gated


def by_words(path: Path, words: str) -> dict[str, object]:
    """What Python finds for a sentence: how many results it takes for matches, are above the cut, and the nearest one's relevance."""
    found, above, matches = (ask_words(path, words, least) for least in (None, CUT, AUTO))
    return {"words": words, "matches": len(matches), "above": len(above), "found": len(found), "best": found[0].relevance}


def ask_words(path: Path, words: str, least: float | str | None) -> list[NearestNeighbor]:
    """What Python finds, of at least that relevance."""
    options = SearchOptions(max_results=DEFAULT_K, min_relevance=least)
    with TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(str(path), num_threads=1), search_options=options)) as by_text:
        return by_text.search(words).nearest_neighbors


def make_album(path: Path, scenes: Path, album: Path) -> None:
    """The sample with facts, among them several texts and tags that look odd, and with the words of its captions."""
    engine = GraphEngine(BaseOptions(str(path), num_threads=1))
    ids, rows = engine.contents()
    metadata = [engine.item(int(i)) for i in ids]
    engine.close()
    captions: dict[str, list[str]] = {}
    for line in (scenes / CAPTIONS).read_text(encoding="utf-8").splitlines()[1:]:
        image, *_, caption = line.split("\t")
        captions.setdefault(image, []).append(caption)
    facts = drawn_facts(len(metadata), [" ".join(captions[name.decode()]).lower() for name in metadata])
    words = lexical_index(metadata, facts, captions)
    items = IndexedItems(embeddings=rows, metadata=metadata, embedder=path, normalized=True, facts=facts, lexical=words)
    write_index(items, album, IndexSettings())


def drawn_facts(count: int, texts: Sequence[str]) -> dict[str, Column]:
    """Facts of items; what some of them show is in their tags."""
    rng = np.random.default_rng(5)
    taken = [None if i % 9 == 8 else int(rng.integers(1_546_300_800, 1_735_689_599)) for i in range(count)]  # 2019 to 2024
    years = [None if time is None else np.datetime64(time, "s").astype("datetime64[Y]").item().year for time in taken]
    trips = ("Norway", "home", "grandma's garden", "Lake Constance")
    tags = [[tag for tag in ("beach", "forest", "city", "desert", "night", 'the "big" sea') if tag.split()[-1] in text] for text in texts]
    columns = {
        "taken": ("time", taken),
        "folder": ("text", [f"{year or 'undated'}/{trips[i % len(trips)]}" for i, year in enumerate(years)]),
        "camera": ("text", [(None, "Pixel 8", "EOS R6", "")[i * 7 % 4] for i in range(count)]),
        "name": ("text", [f"scene {i:05}" for i in range(count)]),
        "stars": ("number", [None if i % 5 == 4 else i % 5 + 1 for i in range(count)]),
        "lat": ("number", (rng.random(count) * 20 + 40).tolist()),
        "tags": ("tags", tags),
    }
    return {name: column_of(kind, values) for name, (kind, values) in columns.items()}


def make_large(embedder: Path, path: Path) -> None:
    """100,000 random unit vectors behind the sample's embedder, so that they can be asked with words, with facts and a lexical index."""
    dimension = open_embedder(str(embedder))["text"].dimension
    vectors = np.random.default_rng(0).standard_normal((ITEMS, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    metadata = [f"item {i:06}".encode() for i in range(ITEMS)]
    subjects, places = ("ball", "car", "cat", "boat", "tree", "house", "flower"), ("beach", "forest", "city", "desert", "lake")
    texts = [f"a {subjects[i % 7]} by the {places[i % 5]} {i % 1000}" for i in range(ITEMS)]
    facts = drawn_facts(ITEMS, texts) | {"caption": column_of("text", texts)}
    tree = searcher.Tree(num_leaves=632, num_leaves_to_search=64)
    options = searcher.ScaNNOptions("dot_product", tree=tree, score_ah=searcher.ScoreAH(1))
    content = SearcherContent(
        index=build_index(vectors, options, bits=8),
        metadata=metadata,
        towers=open_embedder(str(embedder)),
        facts=facts,
        lexical=lexical_index(metadata, facts, {}),
    )
    write_searcher(content, path)


def make_vectors(path: Path) -> None:
    """Items that are asked with embeddings only, held as codes, by squared distance."""
    vectors = np.random.default_rng(1).standard_normal((500, 30)).astype(np.float32)
    options = searcher.ScaNNOptions("squared_l2", score_ah=searcher.ScoreAH(4))
    metadata = [json.dumps({"title": f"thing {i}"}) for i in range(500)]
    searcher.Searcher.create_from_data(searcher.DataLoader(None, vectors, metadata), options, trainer="own").export(export_filename=path)


def make_host(folder: Path) -> None:
    """The sample's site below the root of a host, as GitHub Pages has it, and beside it the searcher of the shared queries."""
    host = folder / "host"
    host.mkdir(exist_ok=True)
    (host / "index.html").write_text('<!doctype html><title>host</title><link rel="icon" href="pages/icon.svg">')
    if not (host / "pages").exists():
        (host / "pages").symlink_to("../sample")
    if not (host / "asked.tflite").exists():
        write_asked(host)
        rows = locate_rows((host / "asked.tflite").read_bytes())
        (host / "rows.json").write_text(json.dumps(rows and rows.describe()))
    if not (host / "overlays").exists():
        write_overlays(host / "overlays")
        places = {path.name: locate_rows(path.read_bytes()) for path in (host / "overlays").glob("*.tflite")}
        (host / "overlays" / "rows.json").write_text(json.dumps({name: rows and rows.describe() for name, rows in places.items()}))
    if not (host / "kinds").exists():
        make_kinds(host / "kinds")


def make_kinds(folder: Path) -> None:
    """Searchers of every kind of rows, and what Python finds among chosen items of theirs."""
    folder.mkdir()
    rng = np.random.default_rng(7)
    vectors = rng.standard_normal((600, 31), np.float32) * rng.uniform(0.5, 2, (600, 1)).astype(np.float32)
    allowed = np.flatnonzero(rng.random(600) < 0.4)
    kinds = []
    for name, (options, bits) in KINDS.items():
        path = folder / f"{name}.tflite"
        layout = LAYOUTS.get(name)
        directions = learn_directions(vectors, vectors, 0)
        index = build_index(vectors, options, bits=bits, projection=layout and directions.first(layout.scanned))
        if layout:
            index = with_layout(index, directions, layout)
        write_searcher(SearcherContent(index=index, metadata=[b"%d" % i for i in range(600)]), path)
        engine = GraphEngine(BaseOptions(str(path), num_threads=1))
        query = vectors[5] + np.float32(0.1)
        found = engine.search_embedding(query, SearchRequest(max_results=ANSWERS, allowed=allowed))
        rows = locate_rows(path.read_bytes())
        kinds.append(
            {
                "name": name,
                "rows": rows and rows.describe(),
                "query": query.tolist(),
                "found": neighbors(found),
                "item": engine.embedding(7).tolist(),
            }
        )
        engine.close()
    (folder / "kinds.json").write_text(json.dumps({"allowed": allowed.tolist(), "kinds": kinds}))


def make_queries(folder: Path, scene: Path) -> list[Path]:
    """Pictures to drop: larger and smaller than the encoder's, opaque, transparent, and turned by EXIF."""
    with Image.open(scene) as image:
        rgb = image.convert("RGB")
    queries = [folder / f"query-{kind}" for kind in ("large.png", "small.png", "clear.png", "turned.jpg")]
    rgb.resize((977, 641)).save(queries[0])
    rgb.resize((61, 47)).save(queries[1])
    clear = rgb.convert("RGBA")
    clear.putalpha(Image.fromarray((np.indices((rgb.height, rgb.width)).sum(0) // 40 % 2 * 255).astype(np.uint8)))
    clear.save(queries[2])
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb.save(queries[3], quality=92, exif=exif)
    return queries


def by_picture(path: Path, queries: list[Path]) -> dict[str, object]:
    """What Python finds for pictures: metadata and distances."""
    options = ImageSearcherOptions(BaseOptions(str(path), num_threads=1), search_options=SearchOptions(max_results=ANSWERS))
    with ImageSearcher.create_from_options(options) as by_image:
        return {q.name: neighbors(by_image.search(TensorImage.create_from_file(str(q)))) for q in queries}


def by_item(path: Path) -> dict[int, object]:
    """What Python finds for the stored rows of some items."""
    content = path.read_bytes()
    rows = locate_rows(content)
    if rows is None:
        raise SystemExit(f"{path}: its rows are not found")
    engine = GraphEngine(BaseOptions(str(path), num_threads=1))
    count, dimension = engine.manifest.items, engine.manifest.dimension
    found: dict[int, object] = {
        item: neighbors(engine.search_embedding(stored(content, rows, item, dimension), SearchRequest(max_results=ANSWERS)))
        for item in (0, count // 2, count - 1)
    }
    engine.close()
    return found


def stored(content: bytes, rows: Rows, item: int, dimension: int) -> np.ndarray:
    """The embedding of an item as the index holds it."""
    held = StoredRows(content, rows, dimension)
    return held.decode(np.flatnonzero(held.items == item))[0]


def neighbors(result: object) -> list[tuple[str, float]]:
    """As JSON can say it."""
    return [(n.metadata.decode(), n.distance) for n in result.nearest_neighbors]  # type: ignore[attr-defined]


def serve(site: Path) -> None:
    """Serves until the process ends."""
    with Server(site, port=0) as server:
        sys.stdout.write(f"{server.address}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    verb, place = sys.argv[1], Path(sys.argv[2])
    if verb == "make" and "--fresh" in sys.argv:
        shutil.rmtree(place, ignore_errors=True)
    {"make": make, "serve": serve}[verb](place)
