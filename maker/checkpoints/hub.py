"""Downloads checkpoints from a hub; what is there already is not fetched again."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

from maker.errors import EncoderError
from maker.progress import say

# What a checkpoint is read from, in any of the forms that this package knows.
FILES = (
    *("config.json", "open_clip_config.json", "preprocessor_config.json", "README.md", "LICENSE*"),
    *("modules.json", "sentence_bert_config.json", "1_Pooling/config.json"),
    *("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "spiece.model"),
)
INDEX = "model.safetensors.index.json"
COMMIT = re.compile("[0-9a-f]{40}")
# One copy of the weights, the first that there is; repositories hold several.
WEIGHTS = ("model.safetensors", INDEX, "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")


def download(name: str, cache: Path | None) -> tuple[Path, str]:
    """Downloads a checkpoint, and continues where an earlier try ended. A branch is asked for its newest commit.

    Without a network, what was downloaded before is taken, and a line on stderr says which commit that is.

    Args:
        name: `ORG/NAME`, or with a branch, tag or commit `ORG/NAME@REVISION`.
        cache: Where files are kept; the library's own place if None.

    Returns:
        The folder with the files, and the commit.

    Raises:
        EncoderError: The library is missing, the hub cannot be reached, or it has no such checkpoint.
    """
    repository, _, revision = name.partition("@")
    if repository.count("/") != 1:
        raise EncoderError(f"hf:{name}: expected hf:ORG/NAME or hf:ORG/NAME@REVISION")
    try:
        import huggingface_hub
    except ImportError as error:
        raise EncoderError(f"hf:{name}: needs huggingface_hub: pip install 'pocket-searcher[hub-models]'") from error
    given: dict[str, Any] = {"repo_id": repository, "cache_dir": cache}
    try:
        about = huggingface_hub.HfApi().model_info(repository, revision=revision or None)
        names = {sibling.rfilename for sibling in about.siblings or []}
        weights = next((file for file in WEIGHTS if file in names), None)
        if weights is None:
            raise EncoderError(
                f"hf:{name}: has none of {', '.join(WEIGHTS)}; only .safetensors are read. A pull request of the repository may have them: "
                f"look for one on the hub, and pass hf:{repository}@refs/pr/NUMBER"
            )
        # By the name of the branch, whose commit the library then keeps for runs without a network.
        folder = huggingface_hub.snapshot_download(**given, revision=revision or None, allow_patterns=_patterns(weights))
    except EncoderError:
        raise
    except Exception as error:  # errors of the library, of its HTTP client, and of the file system
        folder = _cached(huggingface_hub, given, revision, name, error)
        if not COMMIT.fullmatch(revision):
            say(f"hf:{name}: cannot ask for its newest commit ({_reason(error)}); taking {Path(folder).name}, which was downloaded before")
    return Path(folder), Path(folder).name


def _patterns(weights: str) -> list[str]:
    """The files to download, with the weights in a file or in the files that an index names."""
    return [*FILES, weights, *(["model-*.safetensors"] if weights == INDEX else [])]


def _cached(library: Any, given: dict[str, Any], revision: str, name: str, error: Exception) -> str:
    """What an earlier run has downloaded, for a machine without a network."""
    given = {**given, "revision": revision or None, "local_files_only": True}
    for weights in WEIGHTS:
        with contextlib.suppress(Exception):  # whatever the library raises where files are missing
            folder = str(library.snapshot_download(**given, allow_patterns=_patterns(weights)))
            if Path(folder, weights).exists():
                return folder
    raise EncoderError(
        f"hf:{name}: cannot be downloaded ({_reason(error)}); without a network, download config.json, model.safetensors, "
        "preprocessor_config.json and the tokenizer's files elsewhere into one folder, and pass the folder"
    ) from error


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
