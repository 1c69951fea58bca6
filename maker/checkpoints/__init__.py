"""Pretrained dual encoders as they are published: their towers are written as operators, straight from the weights."""

from maker.checkpoints.write import CheckpointInfo, write_encoder

__all__ = ["CheckpointInfo", "write_encoder"]
