"""BERT (Devlin et al., 2019) as a text tower: sentence encoders, and the text side of Chinese-CLIP."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maker.checkpoints.configuration import Section, read_json
from maker.checkpoints.text import Positions, TextTransformer
from maker.checkpoints.transformer import ACTIVATIONS, Attention, Perceptron, PostNormBlock, Reader
from maker.encoders.weights import Linear
from maker.errors import EncoderError

POOLING = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "first"}
# Of a layer behind the first place's vector that embeddings do not use.
POOLER = ("pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type", "directionality")
MODULES = ("Transformer", "Pooling", "Normalize")


def text_tower(
    config: Section, read: Reader, prefix: str, pool: Literal["first", "mean"], projection: Linear | None, most: int | None = None
) -> TextTransformer:
    """The tower.

    Args:
        config: The configuration of the BERT model.
        read: The weights.
        prefix: In front of the names of its tensors.
        pool: Which vectors are the text's.
        projection: Makes the embedding; None where the vector is it.
        most: Places that are used; all where None.
    """
    width, inner, heads = (
        config.number("hidden_size", 768),
        config.number("intermediate_size", 3072),
        config.number("num_attention_heads", 12),
    )
    epsilon, activation = config.real("layer_norm_eps", 1e-12), config.choice("hidden_act", ACTIVATIONS, "gelu")
    layers, pieces = config.number("num_hidden_layers", 12), config.number("vocab_size", 30522)
    places, types = config.number("max_position_embeddings", 512), config.number("type_vocab_size", 2)
    config.require("position_embedding_type", "absolute")
    config.ignore("model_type", *POOLER)
    config.refuse_unread()
    embeddings = f"{prefix}embeddings"
    positions = read.tensors.shaped(f"{embeddings}.position_embeddings.weight", places, width)
    first_type = read.tensors.shaped(f"{embeddings}.token_type_embeddings.weight", types, width)[0]
    return TextTransformer(
        table=read.table(f"{embeddings}.word_embeddings.weight", pieces, width),
        positions=Positions((positions + first_type)[:most]),
        before=read.norm(f"{embeddings}.LayerNorm", width, epsilon),
        blocks=[_block(read, f"{prefix}encoder.layer.{number}", width, inner, heads, activation, epsilon) for number in range(layers)],
        sees="ids",
        pool=pool,
        after=None,
        projection=projection,
    )


def _block(read: Reader, p: str, width: int, inner: int, heads: int, activation: str, epsilon: float) -> PostNormBlock:
    own = f"{p}.attention.self"
    return PostNormBlock(
        Attention(
            read.linear(f"{own}.query", width, width, scale=(width // heads) ** -0.5),
            read.linear(f"{own}.key", width, width),
            read.linear(f"{own}.value", width, width),
            read.linear(f"{p}.attention.output.dense", width, width),
            heads,
        ),
        read.norm(f"{p}.attention.output.LayerNorm", width, epsilon),
        Perceptron(read.linear(f"{p}.intermediate.dense", width, inner), read.linear(f"{p}.output.dense", inner, width), activation),
        read.norm(f"{p}.output.LayerNorm", width, epsilon),
    )


@dataclass(frozen=True)
class SentenceOptions:
    """What a folder of sentence-transformers says besides the model.

    Attributes:
        pool: Which vectors are the text's.
        most: Places that are used; None for all.
    """

    pool: Literal["first", "mean"] = "mean"
    most: int | None = None


def sentence_options(folder: Path) -> SentenceOptions:
    """Reads `modules.json`, the pooling that it names and `sentence_bert_config.json`; the mean over all ids without them.

    Raises:
        EncoderError: There is a module or a pooling that this release does not know.
    """
    pool: Literal["first", "mean"] = "mean"
    if (folder / "modules.json").is_file():
        for module in read_json(folder / "modules.json", list):
            kind = str(module.get("type", "")).rpartition(".")[2]
            if kind not in MODULES:
                raise EncoderError(f"{folder / 'modules.json'}: has a module {kind}, of which this release knows {', '.join(MODULES)}")
            if kind == "Pooling":
                pool = _pooling(folder / str(module["path"]) / "config.json")
    most = None
    if (folder / "sentence_bert_config.json").is_file():
        most = read_json(folder / "sentence_bert_config.json").get("max_seq_length")
    return SentenceOptions(pool, most if isinstance(most, int) else None)


def _pooling(path: Path) -> Literal["first", "mean"]:
    asked = [key for key, value in read_json(path).items() if key.startswith("pooling_mode_") and value is True]
    if len(asked) != 1 or asked[0] not in POOLING:
        raise EncoderError(f"{path}: asks for {', '.join(asked) or 'no pooling'}, of which this release knows {', '.join(POOLING)}")
    return "first" if POOLING[asked[0]] == "first" else "mean"
