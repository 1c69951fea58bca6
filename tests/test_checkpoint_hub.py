"""Checkpoints from a hub: `hf:ORG/NAME`, asked of a server on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maker.checkpoints import source, write_encoder
from maker.encoders import sentence_tower
from maker.encoders.embedder import embedder_manifest
from maker.encoders.tokenizer_file import TextModelOptions
from maker.errors import EncoderError
from maker.pipeline.options import TowerOptions
from maker.pipeline.ready_towers import ready_encoder
from maker.pipeline.text_stage import open_text_tower
from maker.workspace import Workspace
from tests.checkpoints import files
from tests.checkpoints.hub_server import COMMIT, Hub, serve

pytest.importorskip("safetensors")
pytest.importorskip("tokenizers")
pytest.importorskip("huggingface_hub")
NAME = "someone/small-encoder"
DOWNLOAD = """
import sys
from pathlib import Path
from huggingface_hub import constants
from maker.checkpoints.hub import download
from maker.errors import EncoderError
constants.DOWNLOAD_CHUNK_SIZE = 4096  # a download goes on behind the last whole one
try:
    print(*download(sys.argv[1], Path(sys.argv[2])), sep="|")
except EncoderError as error:
    print("error:", error)
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    folder = files.bert(tmp_path_factory.mktemp("hub") / "bert")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (folder / "pytorch_model.bin").write_bytes(b"a copy of the weights that is not wanted")
    (folder / "open_clip_model.safetensors").write_bytes(b"nor is this one")
    return folder


def downloaded(name: str, folder: Path, address: str) -> str:
    """What a process of its own prints, for the library reads the address when it is imported."""
    environment = {**os.environ, "HF_ENDPOINT": address, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    environment |= {"HF_HOME": str(folder / "home"), "HF_HUB_DOWNLOAD_TIMEOUT": "2", "HF_HUB_ETAG_TIMEOUT": "2"}
    given = [sys.executable, "-c", DOWNLOAD, name, str(folder / "cache")]
    done = subprocess.run(given, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("hf:")]
    return "\n".join([*said, done.stdout.strip()])


def test_a_checkpoint_is_downloaded_once_and_stays_without_a_network(checkpoint, tmp_path):
    with serve(Hub(NAME, checkpoint)) as hub:
        folder, revision = downloaded(f"{NAME}@v1", tmp_path, hub.address).split("|")
        assert revision == COMMIT
        names = {str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file()}
        wanted = {"config.json", "model.safetensors", "vocab.txt", "modules.json", "1_Pooling/config.json", "sentence_bert_config.json"}
        assert names == wanted | {"README.md"}
        hub.asked.clear()
        assert downloaded(f"{NAME}@v1", tmp_path, hub.address) == f"{folder}|{COMMIT}"
        assert not [path for method, path, _ in hub.asked if method == "GET" and "/resolve/" in path]
    assert downloaded(f"{NAME}@{COMMIT}", tmp_path, hub.address) == f"{folder}|{COMMIT}"  # the server is gone


def test_a_branch_that_moved_is_downloaded_again_and_is_the_one_that_stays(checkpoint, tmp_path):
    repository = Path(shutil.copytree(checkpoint, tmp_path / "repository"))
    with serve(Hub(NAME, repository)) as hub:
        first, _ = downloaded(f"{NAME}@main", tmp_path, hub.address).split("|")
        hub.commit = "f" * 40
        (repository / "vocab.txt").write_text("moved")
        second, revision = downloaded(f"{NAME}@main", tmp_path, hub.address).split("|")
        assert revision == hub.commit
        assert Path(second, "vocab.txt").read_text() == "moved" != Path(first, "vocab.txt").read_text()
    said, found = downloaded(f"{NAME}@main", tmp_path, hub.address).splitlines()
    assert found == f"{second}|{'f' * 40}"
    assert re.fullmatch(rf"hf:{NAME}@main: cannot ask for its newest commit \(.+\); taking f{{40}}, which was downloaded before", said)


def test_a_build_takes_the_commit_that_a_branch_moved_to(tmp_path, monkeypatch):
    monkeypatch.setattr(sentence_tower, "ADVERSARIAL", 10)
    dual = files.clip(tmp_path / "clip")
    commits = []
    with Workspace.open(tmp_path / "work") as work:
        for commit in (COMMIT, COMMIT, "f" * 40):
            monkeypatch.setattr(source.hub, "download", lambda name, cache, commit=commit: (dual, commit))
            encoder = ready_encoder(TowerOptions(model=f"hf:{NAME}@main"), [], work)
            commits.append(embedder_manifest(encoder.file).encoders["image"]["checkpoint"]["revision"])
            open_text_tower(f"hf:{NAME}@main", TextModelOptions(), work, [])
        assert commits == [COMMIT, COMMIT, "f" * 40]
        for kind in ("model", "text-checkpoint"):
            assert len(list(work.folder.glob(f"{kind}-*.tflite"))) == 2


def test_an_interrupted_download_goes_on_where_it_broke(checkpoint, tmp_path):
    hub = Hub(NAME, checkpoint)
    hub.fail_after = 20_000
    with serve(hub):
        assert downloaded(NAME, tmp_path, hub.address).endswith(COMMIT)
    assert ("GET", f"/{NAME}/resolve/{COMMIT}/model.safetensors", "bytes=16384-") in hub.asked


def test_without_a_network_one_line_says_what_to_do(tmp_path):
    found = downloaded(NAME, tmp_path, "http://127.0.0.1:9")
    assert found.startswith(f"error: hf:{NAME}: cannot be downloaded (")
    assert found.endswith("preprocessor_config.json and the tokenizer's files elsewhere into one folder, and pass the folder")
    assert "\n" not in found


def test_source_revision_and_licence_are_in_the_manifest(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(sentence_tower, "ADVERSARIAL", 10)
    monkeypatch.setattr(source.hub, "download", lambda name, cache: (checkpoint, COMMIT))
    info = write_encoder(f"hf:{NAME}@main", tmp_path / "e.tflite")
    described = embedder_manifest(tmp_path / "e.tflite").encoders["text"]["checkpoint"]
    assert (described["source"], described["revision"], described["license"]) == (f"hf:{NAME}", COMMIT, "apache-2.0")
    assert info.revision == COMMIT


def test_a_repository_without_safetensors_is_refused(checkpoint, tmp_path):
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository/config.json").write_text("{}")
    (tmp_path / "repository/pytorch_model.bin").write_text("x")
    with serve(Hub(NAME, tmp_path / "repository")) as hub:
        assert "has none of model.safetensors" in downloaded(NAME, tmp_path, hub.address)


def test_a_name_without_an_organisation_is_refused():
    with pytest.raises(EncoderError, match="expected hf:ORG/NAME or hf:ORG/NAME@REVISION"):
        source.hub.download("clip", None)
