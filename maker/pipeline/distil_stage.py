"""A build without captions whose `words` tower learns from the text tower of another file, and whose image tower is that of the file."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from maker.encoders.embedder import Tower, embedder_manifest, open_embedder
from maker.export.encoder_file import write_encoder
from maker.pipeline.corpus_stage import OpenedCorpus
from maker.pipeline.encoder import Encoder, ReadyTexts
from maker.pipeline.options import Corpus, TowerOptions
from maker.pipeline.query_list_stage import listed_queries
from maker.pipeline.ready_towers import teacher_towers
from maker.pipeline.teacher_stage import read_sentences
from maker.workspace import Workspace, content_digest, digest

VERSION = 1  # changes whenever the same inputs give another tower


def distilled_encoder(corpus: Corpus, opened: OpenedCorpus, towers: TowerOptions, seed: int, work: Workspace) -> Encoder:
    """The image tower of the teacher, and a `words` tower that learns its embeddings of sentences.

    The sentences are the queries that also tune the index, and the lines of `teacher_texts`. The embeddings of both are cached.

    Raises:
        DataError: The teacher or the file of sentences is missing or cannot be read.
        EncoderError: The teacher cannot be used.
        TrainingError: There are too few sentences.
    """
    assert towers.teacher is not None
    teacher = teacher_towers(towers, work)
    pictures = teacher.embed_images(opened.searched, work)
    listed = listed_queries(corpus, opened, teacher, work)
    more = [text for text in (read_sentences(towers.teacher_texts) if towers.teacher_texts else []) if text not in set(listed.texts)]
    texts = [*listed.texts, *more]
    file = work.file(f"distilled-{digest(VERSION, content_digest(teacher.file), texts, pictures.images, seed)}.tflite")
    if not file.exists():
        from maker.training.distil import distil

        embeddings = np.concatenate([listed.embeddings, teacher.embed_texts(more, work)]) if more else listed.embeddings
        learnt = distil(texts, embeddings, np.asarray(pictures.values, np.float32), seed)
        image, known = open_embedder(teacher.file)["image"], embedder_manifest(teacher.file)
        assert isinstance(image, Tower)
        described = {"spec": "words", "teacher": Path(towers.teacher).name, "vocabulary": learnt.described["vocabulary"]}
        write_encoder(
            file,
            {"text": learnt.tower, "image": image},
            {"text": (1, learnt.tower.size.max_bytes), "image": image.input_shape},
            dimension=embeddings.shape[1],
            described={"text": described | asdict(learnt.tower.size), "image": known.encoders.get("image", {}) if known else {}},
            training={"teacher": learnt.described},
            preparation=image.preparation,
        )
    return replace(teacher, file=file, texts=ReadyTexts(file))
