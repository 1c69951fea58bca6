"""The verb `maker build`."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path

from maker.commands.engine_options import add_engine_options, engine_of_options
from maker.commands.searcher_options import add_facts_options, add_index_options, add_output_options, index_settings, print_report
from maker.commands.text_model_options import add_text_model_options, text_model_options
from maker.data.formats import CAPTION_FORMATS
from maker.training.options import CHOICES, RECIPES, SCRATCH, TrainingOptions, descriptions

HELP = "train on pictures and captions, index a folder, write one searcher"
SPECS = (
    "tflite:PATH[#TENSOR] (a frozen TFLite model, or a tensor inside it; of a classifier the pooled features), "
    "keras:NAME, keras_file:PATH, saved_model:FOLDER, hub:HANDLE, "
    "or scratch (a small CNN, trained here)"
)
AUDIO_SPECS = (
    "for --sounds: tflite:PATH[#TENSOR] (a frozen TFLite model that takes samples), openwakeword:FOLDER (the speech embedding in that "
    "package), or mel (statistics of a log-mel spectrogram, which needs no model); default mel"
)
TEXT_SPECS = (
    "words (trained here); a frozen model that takes token ids: tflite:PATH[#OUTPUT], keras_file:PATH, saved_model:FOLDER, hub:HANDLE; a "
    "published one with its tokenizer: hf:ORG/NAME[@REVISION], checkpoint:FOLDER; or both together: words+SPEC"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the verb's arguments."""
    parser.add_argument("--images", type=Path, metavar="DIR", help="the photos; not needed if the captions file contains them")
    parser.add_argument("--sounds", type=Path, metavar="DIR", help="sounds in the place of photos; long recordings become windows")
    parser.add_argument("--videos", type=Path, metavar="DIR", help="videos in the place of photos; their moments are the items")
    parser.add_argument(
        "--every",
        default="1s",
        metavar="SECONDS",
        help="of videos: a frame every so many seconds (default %(default)s), or scenes: one from cut to cut",
    )
    parser.add_argument("--captions", type=Path, metavar="FILE", help="see --captions-format; not needed with --model or --encoder")
    kinds = "; ".join(f"{name}: {what}" for name, what in CAPTION_FORMATS.items())
    parser.add_argument(
        "--captions-format",
        choices=("auto", *CAPTION_FORMATS),
        default="auto",
        help=f"default %(default)s, by content. {kinds}",
        metavar="NAME",
    )
    parser.add_argument("--validation-captions", type=Path, metavar="FILE", help="captions of the validation split")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="photos to index (default: the training photos)")
    parser.add_argument("--language", metavar="NAME", help="only captions, or built-in queries (en, zh), of this language")
    parser.add_argument("--model", metavar="CHECKPOINT", help="a published dual encoder, such as CLIP: its towers need no captions")
    parser.add_argument(
        "--weights", default="int8", metavar="NAME", help="matrices of --model and of heads: int8 (default), float16, float32"
    )
    parser.add_argument("--encoder", type=Path, metavar="FILE", help="a searcher or encoder file: its towers need no captions")
    parser.add_argument(
        "--prune-vocabulary",
        nargs="?",
        type=Path,
        const=Path(),
        metavar="FILE",
        help="--model keeps only the pieces of its tokenizer that captions, queries and the text FILE use",
    )
    parser.add_argument("--no-adapters", action="store_true", help="with --captions, leave the towers of --model or --encoder as they are")
    parser.add_argument(
        "--query-list", type=Path, metavar="FILE", help="without captions: typical queries, one per line (default: built-in queries)"
    )
    parser.add_argument("--image-encoder", default="scratch", metavar="SPEC", help=SPECS + "; default %(default)s")
    parser.add_argument(
        "--image-weights", default="imagenet", metavar="W", help="weights of a keras: model: imagenet, none or a file (default %(default)s)"
    )
    parser.add_argument("--image-size", type=int, metavar="N", help="input height and width of a converted model (default: its own)")
    for name in ("mean", "std"):
        parser.add_argument(
            f"--image-{name}",
            type=_numbers,
            metavar="X[,X,X]",
            help=f"{name} of pixels from 0 to 255, for a float tflite: model without metadata (default 127.5, and a line says so)",
        )
    parser.add_argument("--pool", choices=("avg", "max", "gem"), default="avg", help="pooling of a feature map (default %(default)s)")
    parser.add_argument("--no-inner-layers", action="store_true", help="read only the output of a frozen image encoder, no inner layers")
    parser.add_argument(
        "--views", type=int, metavar="N", help="views of each photo: the whole, then N - 1 crops (default: 5 if frozen, else 1)"
    )
    parser.add_argument(
        "--head-rank", type=int, default=0, metavar="N", help="a smaller head over frozen features, such as 128 (default: the full rank)"
    )
    parser.add_argument("--audio-encoder", metavar="SPEC", help=AUDIO_SPECS)
    parser.add_argument("--sample-rate", type=int, metavar="HZ", help="samples per second, for an audio encoder that does not say it")
    parser.add_argument("--window", type=float, metavar="SECONDS", help="length of a sound, where the encoder takes any (default 2)")
    parser.add_argument("--text-encoder", default="words", metavar="SPEC", help=TEXT_SPECS + "; default %(default)s")
    parser.add_argument(
        "--queries",
        choices=("both", "text", "image", "audio"),
        default="both",
        help="what the file is asked by; the other encoder is left out",
    )
    add_facts_options(parser)
    parser.add_argument("--no-exif", action="store_true", help="do not store date and place of the photos")
    parser.add_argument(
        "--teacher",
        metavar="MODEL",
        help="the words tower also learns the answers of a larger encoder: a searcher or encoder file with embed_text, or a text model as "
        "for --text-encoder, with its --tokenizer",
    )
    parser.add_argument(
        "--teacher-texts",
        type=Path,
        metavar="FILE",
        help="further sentences or phrases to learn from the teacher, one in each line (default: built-in queries)",
    )
    parser.add_argument("--work-dir", type=Path, metavar="DIR", help="folder for intermediate results (default: OUTPUT with suffix .work)")
    parser.add_argument("--no-report", action="store_true", help="write no report beside the searcher")
    card = parser.add_argument_group("model card")
    card.add_argument("--author", default="", metavar="TEXT", help="author of the searcher")
    card.add_argument("--license", default="", metavar="TEXT", help="license of the file")
    card.add_argument("--data", default="", metavar="TEXT", help="origin and license of pictures and captions")
    card.add_argument("--intended-use", default="", metavar="TEXT")
    add_text_model_options(parser)
    add_output_options(parser)
    add_index_options(parser)
    training = parser.add_argument_group("training")
    training.add_argument(
        "--recipe", choices=tuple(RECIPES), default="default", help="set of defaults for the options below (default %(default)s)"
    )
    texts = descriptions()
    for option in fields(TrainingOptions):
        flag = "--" + option.name.replace("_", "-")
        scratch = f", {SCRATCH[option.name]} from scratch" if option.name in SCRATCH else ""
        what = texts.get(option.name, "").replace("%", "%%")  # empty under python -OO, which removes docstrings
        if isinstance(option.default, bool):
            training.add_argument(flag, action="store_true", default=None, help=what)
        else:
            several = isinstance(option.default, tuple)
            metavar = "NAME" if option.name in CHOICES else "N,N" if several else "N"
            text = f"{what} (default {option.default or 'none' if several else option.default}{scratch})"
            training.add_argument(flag, type=_lengths if several else type(option.default), metavar=metavar, help=text)

    engine = parser.add_argument_group("where photos are embedded; with --distribute multi_worker, the hosts that Ray starts")
    add_engine_options(engine, "all that there is room for")


def run(given: argparse.Namespace) -> None:
    """Builds and prints the report."""
    from maker.encoders.audio import SoundModelOptions
    from maker.encoders.convert import ImageModelOptions
    from maker.pipeline import BuildOptions, Corpus, TowerOptions, build
    from maker.pipeline.build_on_ray import STRATEGY, build_on_ray
    from maker.report.card import CardFields

    corpus = Corpus(
        captions=given.captions,
        images=given.images,
        sounds=given.sounds,
        videos=given.videos,
        every=given.every,
        captions_format=given.captions_format,
        validation_captions=given.validation_captions,
        searched=given.corpus,
        language=given.language,
        query_list=given.query_list,
    )
    towers = TowerOptions(
        image_encoder=given.image_encoder,
        audio_encoder=given.audio_encoder,
        sound_model=SoundModelOptions(sample_rate=given.sample_rate, window=given.window),
        image_model=ImageModelOptions(
            weights=given.image_weights, size=given.image_size, pool=given.pool, mean=given.image_mean, std=given.image_std
        ),
        inner_layers=not given.no_inner_layers,
        views=given.views,
        text_encoder=given.text_encoder,
        text_model=text_model_options(given),
        encoder=given.encoder,
        teacher=given.teacher,
        teacher_texts=given.teacher_texts,
        model=given.model,
        adapt=not given.no_adapters,
        head_rank=given.head_rank,
        prune_vocabulary=given.prune_vocabulary is not None,
        vocabulary_of=given.prune_vocabulary if given.prune_vocabulary != Path() else None,
        weights=given.weights,
    )
    options = BuildOptions(
        towers=towers,
        recipe=given.recipe,
        training={option.name: getattr(given, option.name) for option in fields(TrainingOptions)},
        index=index_settings(given),
        facts=given.facts,
        lexical=given.lexical,
        exif=not given.no_exif,
        card=CardFields(author=given.author, license=given.license, data=given.data, intended_use=given.intended_use),
        user_info=given.user_info,
        report=not given.no_report,
        work_dir=given.work_dir,
        overwrite=given.overwrite,
        queries=given.queries,
        engine=engine_of_options(given),
    )
    if given.engine == "ray" and given.distribute == STRATEGY:
        report = build_on_ray(corpus, given.output, replace(options, engine=None), options.engine)
    else:
        report = build(corpus, given.output, options)
    print_report(report, given.json)


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def _lengths(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))
