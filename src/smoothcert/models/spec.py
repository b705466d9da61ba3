"""How a model is named, and what has to be said of one that somebody else made."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from smoothcert.core.settings import Count, Positive, Probability, Settings, json_mapping


class Given(Settings):
    """A model by its place, and how it wants its images.

    It gets ``(white * x - mean) / std`` for an image x in [0,1], in its layout.
    """

    path: str = Field(
        description="a checkpoint of this project, package.module:function that returns a network,"
        " a scikit-learn estimator or a function, .onnx, TorchScript, .pt2, timm:NAME or hf:NAME"
    )
    white: Positive = Field(1.0, description="the value of white: 255 for bytes")
    mean: tuple[float, ...] | None = Field(
        None, description="subtracted, one for all or one a channel, in units of white"
    )
    std: tuple[Positive, ...] | None = Field(None, description="then divided by, alike")
    layout: Literal["nchw", "nhwc"] = Field("nchw", description="the axes of a batch of images")
    channels: Literal["rgb", "bgr"] = Field("rgb", description="their order")
    output: str | int | None = Field(
        None, description="which of several outputs holds the logits: its name or its number"
    )
    classes: Count | None = Field(
        None, description="how many, where the model answers with labels alone"
    )
    accuracy: Probability | None = Field(
        None, description="its clean accuracy as its author states it; far less is a warning"
    )

    @property
    def plain_images(self) -> bool:
        """Whether the model takes images as they are everywhere here."""
        usual = {"path", "output", "classes", "accuracy"}
        return self == Given(**self.model_dump(include=usual))


def given(name: str) -> Given:
    """What the text of ``--model`` says: a place, or a JSON mapping (or @FILE with one).

    Raises SmoothcertError for a wrong mapping.
    """
    if name.startswith(("{", "@")):
        return Given.check(json_mapping(name, "model"), "model")
    return Given(path=name)
