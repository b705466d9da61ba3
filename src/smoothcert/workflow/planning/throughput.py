"""The throughput of a device: a JSON file of what was measured, and its answers.

Everything is in seconds of one device. A question that was not measured is answered from the
nearest thing that was, scaled by counted work (floating-point operations, passes, values), and
the answer says so.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.files import write_text
from smoothcert.workflow.planning.passes import BACKWARD, Passes, network_size

FORMAT = 2
DEFAULT = "results/throughput.json"


@dataclass(frozen=True)
class Network:
    """An architecture for inputs of one shape; ``values`` are its weights and buffers."""

    arch: str
    shape: tuple[int, ...]
    n_classes: int
    flops: float
    values: int

    @classmethod
    def of(cls, arch: str, shape: tuple[int, ...], n_classes: int) -> Network:
        """With its operations and values counted."""
        return cls(arch, shape, n_classes, *network_size(arch, shape, n_classes))

    @property
    def key(self) -> tuple[str, tuple[int, ...]]:
        """What it is compared by: the last layer's width hardly matters."""
        return self.arch, self.shape

    @property
    def d(self) -> int:
        """Values of one input."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Sampling:
    """Samples of votes, drawing their noise included; ``seconds`` of one.

    ``first`` are the seconds that a job spends on its first pass: compiling, choosing kernels.
    """

    network: Network
    noise: str
    precision: str
    batch: int
    seconds: float
    first: float


@dataclass(frozen=True)
class Drawing:
    """Drawing noise alone; ``seconds`` of one sample of ``d`` values."""

    noise: str
    d: int
    seconds: float


@dataclass(frozen=True)
class Training:
    """Optimizer steps; ``seconds`` of one training image, whatever passes a method makes of it."""

    network: Network
    method: str
    passes: Passes
    batch: int
    precision: str
    seconds: float


@dataclass(frozen=True)
class Search:
    """Steps of a search for noise scales; ``derivative`` and ``vote`` are seconds of a sample."""

    network: Network
    noise: str
    batch: int
    derivative: float
    vote: float


@dataclass(frozen=True)
class Answer:
    """Seconds, and whether they were measured for this very thing or scaled from another."""

    seconds: float
    measured: bool
    source: str = ""  # the architecture that they were scaled from


@dataclass
class Throughput:
    """What :func:`smoothcert.workflow.planning.measure.measure` found on one device.

    ``clock`` is ``cpu`` where seconds are of processor time of one thread (so that other work on
    the machine counts little), else ``wall``. ``start`` are the seconds until a job that needs
    the network begins its work, ``light`` those of a whole job that needs none;
    ``bytes_per_look`` of a vote store, ``bytes_per_row`` of a certificate table with its record;
    ``decoding`` seconds of reading one ImageNet training image on one core.
    """

    device: str
    clock: str
    made_by: dict[str, Any]
    date: str
    start: float = 0.0
    light: float = 0.0
    bytes_per_look: float = 0.0
    bytes_per_row: float = 0.0
    decoding: float | None = None
    sampling: list[Sampling] = field(default_factory=list)
    drawing: list[Drawing] = field(default_factory=list)
    training: list[Training] = field(default_factory=list)
    search: list[Search] = field(default_factory=list)

    @property
    def gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.startswith("cuda")

    @property
    def name(self) -> str:
        """The device for people."""
        inside = self.device.partition("(")[2].removesuffix(")")
        return inside or ("one CPU thread" if self.device == "cpu" else self.device)

    def sample(self, network: Network, noise: str, precision: str) -> Answer:
        """Seconds of one sample of votes."""
        same = [s for s in self.sampling if s.precision == precision] or self.sampling
        found = _nearest(same, network, "sampling", lambda s: s.noise == noise)
        ratio = network.flops / found.network.flops
        own = self._draw(found.noise, found.network.d)
        # Noise is drawn before the network runs, so the two times add up. Where noise is most
        # of the time, their difference is mostly error: a tenth at least is the network's.
        forward = max(found.seconds - own.seconds, found.seconds / 10) * ratio
        drawn = self._draw(noise, network.d)
        exact = found.network.key == network.key and found.precision == precision
        if exact and found.noise == noise:
            return Answer(found.seconds, True)
        source = "" if found.network.key == network.key else found.network.arch
        return Answer(forward + drawn.seconds, exact and own.measured and drawn.measured, source)

    def start_of(self, network: Network) -> float:
        """Seconds until a job that samples with ``network`` is at its work."""
        return self.start + next(
            (s.first for s in self.sampling if s.network.key == network.key), 0.0
        )

    def train(self, network: Network, method: str, passes: Passes) -> Answer:
        """Seconds of one image in one epoch."""
        found = _nearest(
            self.training,
            network,
            "training",
            lambda t: (t.passes == passes) + 2 * (t.passes == passes and t.method == method),
        )
        exact = found.network.key == network.key and found.passes == passes
        ratio = network.flops / found.network.flops * passes.weight / found.passes.weight
        source = "" if found.network.key == network.key else found.network.arch
        return Answer(found.seconds * ratio, exact, source)

    def derivative(self, network: Network, noise: str) -> tuple[Answer, Answer]:
        """Seconds of a derivative of one sample, and of a vote, in a search."""
        if not self.search:
            one = self.sample(network, noise, "float32")
            # Of the network's inputs alone: a forward pass and one more like it.
            return Answer(one.seconds * (1 + BACKWARD / 2), False), Answer(one.seconds, False)
        found = _nearest(self.search, network, "search", lambda s: s.noise == noise)
        exact = found.network.key == network.key and found.noise == noise
        ratio = network.flops / found.network.flops
        source = "" if found.network.key == network.key else found.network.arch
        return (
            Answer(found.derivative * ratio, exact, source),
            Answer(found.vote * ratio, exact, source),
        )

    def _draw(self, noise: str, d: int) -> Answer:
        if not self.drawing:
            return Answer(0.0, False)

        def far(drawing: Drawing) -> tuple[bool, float]:
            return drawing.noise != noise, abs(math.log(drawing.d / d))

        found = min(self.drawing, key=far)
        return Answer(found.seconds * d / found.d, (found.noise, found.d) == (noise, d))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file, atomically."""
        content = {"format": FORMAT, **dataclasses.asdict(self)}
        write_text(path, json.dumps(content, indent=1) + "\n")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Throughput:
        """Read the file; raises SmoothcertError if it is missing or holds something else."""
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                raise ValueError("another format")
            for kind, entries in (
                (Sampling, content["sampling"]),
                (Drawing, content["drawing"]),
                (Training, content["training"]),
                (Search, content["search"]),
            ):
                entries[:] = [_entry(kind, entry) for entry in entries]
            return cls(**content)
        except FileNotFoundError:
            raise SmoothcertError(
                f"{path}: no throughput measured here yet; run smoothcert bench --write {path}"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SmoothcertError(
                f"{path}: expected a file of smoothcert bench --write, found {error!r}"
            ) from None


E2 = TypeVar("E2", Sampling, Training, Search)


def _nearest(entries: Iterable[E2], network: Network, what: str, fit: Any) -> E2:
    """The measured entry of the same network, else of one with as many operations."""

    def far(entry: E2) -> tuple[bool, float, float]:
        other = entry.network
        return other.key != network.key, abs(math.log(other.flops / network.flops)), -fit(entry)

    found = min(entries, key=far, default=None)
    if found is None:
        raise SmoothcertError(f"throughput: no {what} was measured; run smoothcert bench again")
    return found


def _entry(kind: Any, values: dict[str, Any]) -> Any:
    if "network" in values:
        network = dict(values["network"])
        network["shape"] = tuple(network["shape"])
        values = {**values, "network": Network(**network)}
    if "passes" in values:
        values = {**values, "passes": Passes(**values["passes"])}
    return kind(**values)
