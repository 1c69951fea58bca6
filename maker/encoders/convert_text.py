"""Keras, SavedModel and TensorFlow Hub text models as `.tflite` from ids; imports TensorFlow when it is asked to convert."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from maker.encoders.convert import first_line, load_keras_file, saved_model_folder, write_tflite
from maker.errors import EncoderError
from maker.workspace import temporary_folder

# What the outputs of text encoders that embed a sentence are called, the likeliest first.
EMBEDDINGS = ("sentence_embedding", "text_embeds", "default", "embedding", "embeddings")


def convert_text(kind: str, rest: str, output: str | None, length: int, target: Path) -> None:
    """Converts a text model to TFLite with inputs of fixed length, named as they are in the model.

    Args:
        kind: `keras_file`, `saved_model` or `hub`.
        rest: Path or handle.
        output: Name of the output that is the embedding; the only one, or one of a usual name, where None.
        length: Ids of a query.
        target: The `.tflite` to write.

    Raises:
        EncoderError: The model cannot be loaded or converted, or does not take ids.
    """
    import tensorflow as tf

    name = f"{kind}:{rest}"
    model, inputs, call = _keras(rest, name) if kind == "keras_file" else _saved_model(saved_model_folder(kind, rest), name)
    strings = [key for key, dtype in inputs.items() if dtype == tf.string]
    if strings:
        raise EncoderError(f"{name}: input {strings[0]!r} takes strings, whose operators TFLite lacks; pass the model behind its tokenizer")
    signature = {key: tf.TensorSpec((1, length), dtype, name=key) for key, dtype in inputs.items()}
    module = tf.Module()
    module.model = model
    if kind == "keras_file":
        module.variables_of_model = [variable.value for variable in model.variables]  # others stay variables in the converted graph
    try:
        traced = tf.function(lambda **given: {"output": _chosen(call(given), output, name)}, autograph=False)
        function = traced.get_concrete_function(**signature)
        with temporary_folder() as folder:
            tf.saved_model.save(module, folder, signatures={"serving_default": function})
            write_tflite(str(folder), target, name)
    except (ValueError, TypeError) as error:
        raise EncoderError(f"{name}: does not take {length} ids a query ({first_line(error)}); pass --text-length") from error


def _keras(path: str, name: str) -> tuple[Any, dict[str, Any], Callable[[dict[str, Any]], Any]]:
    """The model, its inputs' types by name, and how it is called with them."""
    import tensorflow as tf

    model = load_keras_file(path)
    names = [tensor.name for tensor in model.inputs]
    for tensor in model.inputs:
        if len(tensor.shape) != 2:
            raise EncoderError(f"{name}: input {tensor.name!r} has shape {tuple(tensor.shape)}, expected (batch, length)")
    given_as = model.input  # a tensor, or lists and dicts of them

    def call(given: dict[str, Any]) -> Any:
        return model(tf.nest.map_structure(lambda tensor: given[tensor.name], given_as), training=False)

    # A Keras embedding looks up floats as well as integers; ids come as integers.
    return model, {key: tf.int32 for key in names}, call


def _saved_model(folder: str, name: str) -> tuple[Any, dict[str, Any], Callable[[dict[str, Any]], Any]]:
    import tensorflow as tf

    model = tf.saved_model.load(folder)
    if "serving_default" not in model.signatures:
        raise EncoderError(f"{name}: no serving_default signature; found {', '.join(model.signatures) or 'none'}")
    serve = model.signatures["serving_default"]
    specs = serve.structured_input_signature[1]
    return model, {key: spec.dtype for key, spec in specs.items()}, lambda given: serve(**given)


def _chosen(outputs: Any, wanted: str | None, name: str) -> Any:
    """The output that is the embedding."""
    if isinstance(outputs, (list, tuple)):
        outputs = {str(number): value for number, value in enumerate(outputs)}
    if not isinstance(outputs, dict):
        return outputs
    usual = [key for key in EMBEDDINGS if key in outputs]
    key = wanted or (next(iter(outputs)) if len(outputs) == 1 else next(iter(usual), None))
    if key not in outputs:
        found = ", ".join(f"{key} {tuple(value.shape)}" for key, value in outputs.items())
        raise EncoderError(f"{name}: outputs {found}; choose one with #NAME behind the path")
    return outputs[key]
