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
    white: Positive = Field(1.0, description="pixel value of white: 255 for bytes")
    mean: tuple[float, ...] | None = Field(
        None, description="mean to subtract, one or one per channel, in units of white"
    )
    std: tuple[Positive, ...] | None = Field(
        None, description="standard deviation to divide by, likewise"
    )
    layout: Literal["nchw", "nhwc"] = Field("nchw", description="axis order of a batch of images")
    channels: Literal["rgb", "bgr"] = Field("rgb", description="channel order")
    output: str | int | None = Field(
        None, description="name or index of the output with the logits"
    )
    classes: Count | None = Field(
        None, description="number of classes, if the model returns only labels"
    )
    accuracy: Probability | None = Field(
        None, description="published clean accuracy; a much lower measured value gives a warning"
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
