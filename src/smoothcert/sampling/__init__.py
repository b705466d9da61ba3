"""Sampling: the classifier's votes under noise, drawn, resumed and topped up."""

from smoothcert.sampling.sampler import (
    Inputs,
    Progress,
    Sampler,
    check_images,
    check_look,
    collect,
    default_batch,
    sample,
)

__all__ = [
    "Inputs",
    "Progress",
    "Sampler",
    "check_images",
    "check_look",
    "collect",
    "default_batch",
    "sample",
]
