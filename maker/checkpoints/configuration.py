"""The configuration of a checkpoint, read so that no key is overlooked.

A key that is not understood can change what the model computes: without `no_causal_mask`, a text tower loses half its quality and no error
shows. So each key has to be read, or be in the list of those that do not matter here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from maker.errors import EncoderError

# What the library `transformers` writes into any configuration: names, training, and how texts are generated.
NAMES = """
    _name_or_path _commit_hash architectures auto_map transformers_version torch_dtype dtype torchscript use_bfloat16 tf_legacy_loss
    return_dict output_attentions output_hidden_states use_cache gradient_checkpointing chunk_size_feed_forward attn_implementation
    _attn_implementation initializer_factor initializer_range attention_dropout dropout attention_probs_dropout_prob hidden_dropout_prob
    classifier_dropout drop_path_rate logit_scale_init_value finetuning_task id2label label2id num_labels problem_type task_specific_params
    tokenizer_class prefix tie_word_embeddings bos_token_id eos_token_id pad_token_id sep_token_id output_past
    decoder_start_token_id forced_bos_token_id
    forced_eos_token_id max_length min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k top_p
    typical_p repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids num_return_sequences
    output_scores return_dict_in_generate remove_invalid_values exponential_decay_length_penalty suppress_tokens begin_suppress_tokens
    cross_attention_hidden_size is_composition transformers.js_config
"""
WITHOUT_EFFECT = frozenset(NAMES.split())
# Keys of any configuration that would change a model, with the only value that is understood.
USUAL = {"is_decoder": False, "is_encoder_decoder": False, "add_cross_attention": False, "tie_encoder_decoder": False, "pruned_heads": {}}


class Section:
    """One object of a configuration.

    Attributes:
        name: The file, and the key of the object in it, for errors.
        values: The object.
    """

    def __init__(self, name: str, values: dict[str, Any]) -> None:
        self.name = name
        self.values = values
        self._read = set(WITHOUT_EFFECT)
        for key, value in USUAL.items():
            self.require(key, value)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def value(self, key: str, default: Any = None) -> Any:
        """The value of a key, of any type."""
        self._read.add(key)
        return self.values.get(key, default)

    def number(self, key: str, default: int | None = None) -> int:
        """A whole number above 0.

        Raises:
            EncoderError: The key is missing and there is no default, or it is something else.
        """
        found = self.value(key, default)
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            raise EncoderError(f"{self.name}: {key} is {found!r}, expected a whole number above 0")
        return found

    def real(self, key: str, default: float) -> float:
        """A number.

        Raises:
            EncoderError: It is none.
        """
        found = self.value(key, default)
        if not isinstance(found, (int, float)) or isinstance(found, bool):
            raise EncoderError(f"{self.name}: {key} is {found!r}, expected a number")
        return float(found)

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """One of several words.

        Raises:
            EncoderError: It is none of them.
        """
        found = self.value(key, default)
        if found not in choices:
            raise EncoderError(f"{self.name}: {key} is {found!r}, of which this release knows {', '.join(choices)}")
        return str(found)

    def require(self, key: str, value: Any) -> None:
        """Checks that a key is missing or has the one value that is understood.

        Raises:
            EncoderError: It has another one.
        """
        found = self.value(key, value)
        if found != value and found is not None:
            raise EncoderError(f"{self.name}: {key} is {found!r}, of which this release knows only {value!r}")

    def ignore(self, *keys: str) -> None:
        """Marks keys that do not matter."""
        self._read.update(keys)

    def section(self, key: str) -> Section:
        """The object below a key; empty if it is missing.

        Raises:
            EncoderError: It is no object.
        """
        found = self.value(key) or {}
        if not isinstance(found, dict):
            raise EncoderError(f"{self.name}: {key} is {found!r}, expected an object")
        return Section(f"{self.name}: {key}", found)

    def refuse_unread(self) -> None:
        """Checks that no key is left.

        Raises:
            EncoderError: One is.
        """
        unknown = [key for key in self.values if key not in self._read]
        if unknown:
            raise EncoderError(
                f"{self.name}: unknown key {unknown[0]!r} ({self.values[unknown[0]]!r}); "
                "this release does not know what it changes, so the checkpoint is refused"
            )


def read_json(path: Path, kind: type = dict) -> Any:
    """What a JSON file holds: an object, or a list where `kind` is that.

    Raises:
        EncoderError: The file is missing or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise EncoderError(f"{path}: no such file; download it with the rest of the checkpoint") from error
    except (ValueError, OSError) as error:
        raise EncoderError(f"{path}: cannot be read as JSON ({error}); download it again") from error
    if not isinstance(found, kind):
        raise EncoderError(f"{path}: holds {type(found).__name__}, expected {kind.__name__}")
    return found
