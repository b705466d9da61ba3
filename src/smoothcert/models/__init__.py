"""Base classifiers: architectures by slug, and checkpoints that run no code when loaded."""

from smoothcert.models.architectures import ARCHITECTURES, Architecture
from smoothcert.models.build import build
from smoothcert.models.checkpoint import digest, load, load_side_tensors, read_record, save
from smoothcert.models.normalization import KINDS, Normalization, normalization

__all__ = [
    "ARCHITECTURES",
    "KINDS",
    "Architecture",
    "Normalization",
    "build",
    "digest",
    "load",
    "load_side_tensors",
    "normalization",
    "read_record",
    "save",
]
