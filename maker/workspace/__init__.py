"""The work folder, atomic writes, cache keys and rejected inputs."""

from maker.workspace.atomic import atomic, prepare_output, sole_writer, temporary_folder
from maker.workspace.keys import content_digest, digest, file_state
from maker.workspace.own import claim_folder
from maker.workspace.rejects import Rejects
from maker.workspace.workspace import Workspace

__all__ = [
    "Rejects",
    "Workspace",
    "atomic",
    "claim_folder",
    "content_digest",
    "digest",
    "file_state",
    "prepare_output",
    "sole_writer",
    "temporary_folder",
]
