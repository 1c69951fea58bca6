"""A Hugging Face `tokenizer.json` as a graph, recognised part by part; what each character becomes is asked of the library itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from maker.errors import EncoderError
from maker.tokenizers import probe
from maker.tokenizers.byte_level import DIGIT, LETTER, OTHER, SPACE, ByteLevelBpe
from maker.tokenizers.code_points import CODE_POINTS, SURROGATES
from maker.tokenizers.expansion import Expansion
from maker.tokenizers.frame import Frame
from maker.tokenizers.graph import GraphTokenizer
from maker.tokenizers.left_out import LeftOut, clusters, long_texts, space_letter, special_tokens, young_characters
from maker.tokenizers.merges import Merges
from maker.tokenizers.sentencepiece_file import byte_pieces, decode_rules, merged_expansions, unigram_tokenizer
from maker.tokenizers.sentencepiece_text import SPACE as PIECE_SPACE
from maker.tokenizers.sentencepiece_text import MergedText, Spaces, check_spaces
from maker.tokenizers.unicode_form import FORMS, UnicodeForm
from maker.tokenizers.vocabulary_file import KIND_OF, OWN_BYTES
from maker.tokenizers.wordpiece import ALONE, WordPiece

CHARACTER_BY_CHARACTER = ("BertNormalizer", "Lowercase", "StripAccents", "Replace")
POST_PROCESSORS = ("TemplateProcessing", "BertProcessing", "RobertaProcessing", "ByteLevel", "Sequence")
CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
SPECIALS_FIRST = r"<\|startoftext\|>|<\|endoftext\|>|"
SPACES = r"\s+"
RUNS_OF_SPACES = r" {2,}"


def read_hugging_face(content: bytes, described: dict[str, Any], max_bytes: int) -> GraphTokenizer:
    """Reads the file.

    Raises:
        EncoderError: It has a part that is not recognised.
    """
    import tokenizers

    parts: dict[str, Any] = json.loads(content)
    library = tokenizers.Tokenizer.from_str(content.decode())
    library.no_padding()
    library.no_truncation()
    frame = _frame(library, parts, described)
    left_out = [special_tokens([token["content"] for token in parts.get("added_tokens", [])])]
    model = parts["model"]
    kind = model.get("type") or ("WordPiece" if "max_input_chars_per_word" in model else "BPE")
    readers: dict[str, Callable[..., GraphTokenizer]] = {"WordPiece": _wordpiece, "BPE": _bpe, "Unigram": _unigram}
    if kind not in readers:
        raise EncoderError(f"the model is {kind}")
    made = readers[kind](library, parts, model, frame, max_bytes)
    return replace(made, left_out=[*left_out, *made.left_out])


def _frame(library: Any, parts: Mapping[str, Any], described: Mapping[str, Any]) -> Frame:
    """What the post-processor puts around a text, seen on one."""
    post = parts.get("post_processor")
    for part in _sequence(post, "processors"):
        if part["type"] not in POST_PROCESSORS:
            raise EncoderError(f"the post-processor is {part['type']}")
    around = list(library.encode("").ids)
    for text in ("a", "e", "o", "the", "1"):
        plain, framed = (list(library.encode(text, add_special_tokens=special).ids) for special in (False, True))
        if not plain:
            continue
        for start in range(len(around) + 1):
            if framed == [*around[:start], *plain, *around[start:]]:
                return Frame(
                    length=int(described["length"]),
                    start=tuple(around[:start]),
                    end=tuple(around[start:]),
                    padding=int(described["padding_id"]),
                )
    raise EncoderError("the post-processor does not put a fixed start and end around a text")


def _wordpiece(library: Any, parts: Mapping[str, Any], model: Mapping[str, Any], frame: Frame, max_bytes: int) -> GraphTokenizer:
    form = _form(parts.get("normalizer"))
    pre = parts.get("pre_tokenizer")
    if pre is None or pre["type"] not in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit"):
        raise EncoderError(f"the pre-tokenizer is {_name(pre)}, and the model WordPiece")
    if pre["type"] == "Whitespace":
        raise EncoderError("the pre-tokenizer is Whitespace, and the model WordPiece")
    vocabulary = model["vocab"]
    unknown = vocabulary.get(model["unk_token"])
    if unknown is None:
        raise EncoderError(f"the vocabulary has no {model['unk_token']!r}")
    splitter = library.pre_tokenizer
    kinds = KIND_OF[probe.kinds(lambda text: [piece for piece, _ in splitter.pre_tokenize_str(text)])]
    becomes = _becomes(library, parts)
    for code, text in list(becomes.items()):  # BERT puts spaces around ideographs
        if len(text) > 2 and text[0] == text[-1] == " " and text.strip(" "):
            inner = text.strip(" ")
            kinds[code] = ALONE
            for character in inner:
                kinds[ord(character)] = ALONE
            if inner == chr(code):
                del becomes[code]
            else:
                becomes[code] = inner
    pieces = WordPiece(vocabulary, unknown, model["continuing_subword_prefix"], model["max_input_chars_per_word"], frame.room)
    expansion = Expansion(becomes, kinds, OWN_BYTES)
    return GraphTokenizer(expansion, form, expansion, pieces, frame, max_bytes, _neighbours(library, form, max_bytes))


def _bpe(library: Any, parts: Mapping[str, Any], model: Mapping[str, Any], frame: Frame, max_bytes: int) -> GraphTokenizer:
    merges = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in model["merges"]]
    if model.get("continuing_subword_prefix"):
        raise EncoderError(f"the BPE model has a prefix inside words, {model['continuing_subword_prefix']!r}")
    if model.get("dropout") or model.get("ignore_merges"):
        raise EncoderError("the BPE model drops or ignores merges")
    if model.get("end_of_word_suffix"):
        return _byte_level(library, parts, model, merges, frame, max_bytes)
    return _merged_characters(parts, model, merges, frame, max_bytes)


def _byte_level(
    library: Any, parts: Mapping[str, Any], model: Mapping[str, Any], merges: list[Any], frame: Frame, max_bytes: int
) -> GraphTokenizer:
    """CLIP's: words by a pattern, bytes as the first symbols."""
    steps = _sequence(parts.get("pre_tokenizer"), "pretokenizers")
    if [step["type"] for step in steps] != ["Split", "ByteLevel"] or steps[1].get("add_prefix_space"):
        raise EncoderError(f"the pre-tokenizer is {_name(parts.get('pre_tokenizer'))}, and the model BPE with an end of word")
    pattern = steps[0]["pattern"].get("Regex", "").removeprefix(SPECIALS_FIRST)
    if pattern != CLIP_WORDS or steps[0]["behavior"] != "Removed" or not steps[0]["invert"]:
        raise EncoderError(f"the pre-tokenizer splits by {steps[0]['pattern']}")
    form = _form(parts.get("normalizer"), runs=(SPACES,))
    bpe = ByteLevelBpe(model["vocab"], merges, model["end_of_word_suffix"], frame.room)
    expansion = Expansion(_becomes(library, parts), _clip_kinds(), OWN_BYTES)
    return GraphTokenizer(expansion, form, expansion, bpe, frame, max_bytes, _neighbours(library, form, max_bytes))


def _merged_characters(
    parts: Mapping[str, Any], model: Mapping[str, Any], merges: list[Any], frame: Frame, max_bytes: int
) -> GraphTokenizer:
    """SentencePiece's, as Gemma and Llama have it: spaces become a letter, characters are the first symbols."""
    prefix, replaced = "never", False
    lower: dict[str, str] = {}
    for number, step in enumerate(_sequence(parts.get("normalizer"), "normalizers")):
        if step["type"] == "Lowercase" and number == 0:
            lower = {chr(code): small for code, small in probe.changed(_lower_case()).items()}
        elif step["type"] == "Prepend" and step["prepend"] == PIECE_SPACE and not replaced:
            prefix = "always"
        elif step["type"] == "Replace" and step["pattern"] == {"String": " "} and step["content"] == PIECE_SPACE:
            replaced = True
        else:
            raise EncoderError(f"the normalizer has {step['type']}, and the model is BPE of characters")
    for step in _sequence(parts.get("pre_tokenizer"), "pretokenizers"):
        # Behind the normalizer there are no spaces any more.
        if step["type"] != "Split" or step["pattern"] != {"String": " "} or not replaced:
            raise EncoderError(f"the pre-tokenizer is {_name(step)}, and the model BPE of characters")
    vocabulary: dict[str, int] = model["vocab"]
    fallback = byte_pieces(vocabulary) if model.get("byte_fallback") else None
    if not replaced or (model.get("byte_fallback") and fallback is None):
        raise EncoderError("the BPE model is neither CLIP's nor SentencePiece's")
    unknown = vocabulary.get(model.get("unk_token") or "", -1)
    if fallback is None and (unknown < 0 or not model.get("fuse_unk")):
        raise EncoderError("the BPE model has no piece for unknown characters, or one for each of them")
    merged = [a + b for a, b in merges]
    check_spaces(merged)
    left, right, made = (
        np.array([vocabulary[p] for p in pieces], np.int64) for pieces in ([a for a, _ in merges], [b for _, b in merges], merged)
    )
    table = Merges(max(vocabulary.values()) + 1, left, right, np.arange(len(merges)), made)
    characters = {piece: number for piece, number in vocabulary.items() if len(piece) == 1}
    front = merged_expansions(characters, fallback, unknown, lower, None)
    spaces = Spaces(symbol=characters.get(PIECE_SPACE, unknown), none=table.symbols, prefix=prefix, collapse=False)
    left_out = [space_letter(PIECE_SPACE)]
    return GraphTokenizer(*front, MergedText(table, spaces, unknown, frame.room), frame, max_bytes, left_out)


def _unigram(library: Any, parts: Mapping[str, Any], model: Mapping[str, Any], frame: Frame, max_bytes: int) -> GraphTokenizer:
    if model.get("byte_fallback"):
        raise EncoderError("the Unigram model has byte fallback")
    rules, collapse = _compiled_rules(parts.get("normalizer"))
    steps = _sequence(parts.get("pre_tokenizer"), "pretokenizers")
    if steps and steps[0]["type"] == "WhitespaceSplit":
        collapse, steps = True, steps[1:]
        rules = {**_more_spaces(), **rules}
    if len(steps) != 1 or steps[0]["type"] != "Metaspace" or steps[0].get("replacement", PIECE_SPACE) != PIECE_SPACE:
        raise EncoderError(f"the pre-tokenizer is {_name(parts.get('pre_tokenizer'))}, and the model Unigram")
    scheme = steps[0].get("prepend_scheme") or ("always" if steps[0].get("add_prefix_space", True) else "never")
    if steps[0].get("split") is False:
        raise EncoderError("the pre-tokenizer Metaspace does not split")
    prefix = {"always": "missing", "first": "missing", "never": "never"}[scheme]
    unknown = model["unk_id"]
    if unknown is None:
        raise EncoderError("the Unigram model has no unknown piece")
    added = {token["id"] for token in parts.get("added_tokens", [])}
    pieces = {
        piece: (score, number)
        for number, (piece, score) in enumerate(model["vocab"])
        if number != unknown and number not in added and piece
    }
    check_spaces(list(pieces))
    left_out = [space_letter(PIECE_SPACE), clusters()]
    return unigram_tokenizer(pieces, unknown, rules, None, (prefix, collapse), frame, max_bytes, left_out)


def _lower_case() -> Callable[[str], str]:
    from tokenizers import normalizers

    return normalizers.Lowercase().normalize_str


def _more_spaces() -> dict[str, str]:
    """Characters that the library splits at besides the space, as rules."""
    from tokenizers import pre_tokenizers

    splitter = pre_tokenizers.WhitespaceSplit()
    dropped = probe.kinds(lambda text: [piece for piece, _ in splitter.pre_tokenize_str(text)]) == probe.DROPPED
    return {chr(code): " " for code in np.flatnonzero(dropped).tolist() if code and code not in SURROGATES and chr(code) != " "}


def _compiled_rules(normalizer: Any) -> tuple[dict[str, str], bool]:
    """SentencePiece's rules, and whether spaces collapse."""
    rules: dict[str, str] = {}
    steps = _sequence(normalizer, "normalizers")
    if steps and steps[0]["type"] == "Precompiled":
        rules, steps = decode_rules(base64.b64decode(steps[0]["precompiled_charsmap"])), steps[1:]
    stripped = replaced = False
    for step in steps:
        if step["type"] == "Strip" and step.get("strip_right"):
            stripped = True
        elif step["type"] == "Replace" and step["pattern"] == {"Regex": RUNS_OF_SPACES} and step["content"] in (" ", PIECE_SPACE):
            replaced = True
        else:
            raise EncoderError(f"the normalizer has {step['type']}, and the model is Unigram")
    if stripped and not replaced:
        raise EncoderError("the normalizer strips spaces and leaves runs of them")
    return rules, replaced


def _form(normalizer: Any, runs: tuple[str, ...] = ()) -> UnicodeForm | None:
    """The Unicode form of a normalizer all of whose other steps look at one character at a time.

    Args:
        normalizer: The file's part.
        runs: Patterns of several characters that may be replaced by a space, since the model drops spaces.
    """
    from tokenizers import normalizers

    form = None
    for number, step in enumerate(_sequence(normalizer, "normalizers")):
        if step["type"] in FORMS:
            if number:
                raise EncoderError(f"the normalizer has {step['type']} behind another step")
            form = UnicodeForm(step["type"], getattr(normalizers, step["type"])().normalize_str)
        elif step["type"] not in CHARACTER_BY_CHARACTER:
            raise EncoderError(f"the normalizer has {step['type']}")
        elif step["type"] == "Replace":
            pattern = step["pattern"]
            if not (len(pattern.get("String", "")) == 1 or (pattern.get("Regex") in runs and step["content"] == " ")):
                raise EncoderError(f"the normalizer replaces {pattern}")
    return form


def _neighbours(library: Any, form: UnicodeForm | None, max_bytes: int) -> list[LeftOut]:
    """What a Unicode form leaves out."""
    return [] if form is None else [young_characters(), long_texts(library.normalizer.normalize_str, max_bytes)]


def _becomes(library: Any, parts: Mapping[str, Any]) -> dict[int, str]:
    if parts.get("normalizer") is None:
        return {}
    return probe.changed(library.normalizer.normalize_str)


def _clip_kinds() -> np.ndarray:
    from tokenizers import Regex, normalizers

    kinds = np.full(CODE_POINTS, OTHER, np.uint8)
    for kind, pattern in ((LETTER, r"[^\p{L}]"), (DIGIT, r"[^\p{N}]"), (SPACE, r"[^\s]")):
        kinds[probe.members(normalizers.Replace(Regex(pattern), "").normalize_str)] = kind
    return kinds


def _sequence(part: Any, key: str) -> list[Any]:
    """The steps of a part of the file; none where it is null."""
    if part is None:
        return []
    return list(part[key]) if part["type"] == "Sequence" else [part]


def _name(part: Any) -> str:
    if part is None:
        return "missing"
    steps = next((part[key] for key in ("pretokenizers", "normalizers") if key in part), None)
    return " and ".join(step["type"] for step in steps) if steps else str(part["type"])
