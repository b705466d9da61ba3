"""``Smooth``: the class that the field's scripts call, on this project's votes.

The interface is that of Cohen et al. 2019 (``Smooth(base_classifier, num_classes, sigma)`` with
``certify`` and ``predict``, -1 for an abstention), so that a script runs after one import is
changed. Beneath it are seeded noise, exact bounds and the engines.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from smoothcert.budget import BUDGETS, Budget
from smoothcert.certificates import ABSTAIN, CertificateTable, job
from smoothcert.certificates.certification import certify, predict
from smoothcert.certificates.spec import CertifySpec
from smoothcert.compute.streams import generator
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.progress import bar
from smoothcert.core.slugs import number
from smoothcert.datasets.own_objects import dataset_of
from smoothcert.models.doors import introduced
from smoothcert.models.mode import wide
from smoothcert.models.spec import Given
from smoothcert.noise import NOISES, Gaussian, Noise
from smoothcert.sampling import clean
from smoothcert.sampling import job as sampling_job
from smoothcert.sampling.checks import as_images, check_images
from smoothcert.sampling.library import Voter
from smoothcert.sampling.spec import Purpose, SampleSpec
from smoothcert.votes import VoteStore


class Smooth(nn.Module):
    """The smoothed classifier of any base classifier: argmax_c P(f(x + sigma * noise) = c).

    ``base_classifier`` is what :func:`smoothcert.adapt` takes; ``declared`` are its keys (white,
    layout, ...). ``sigma`` is Gaussian noise, in units of [0,1] pixels, or give a ``noise`` as a
    slug (``"uniform-0.50"``). ``engine``, ``precision``, ``device`` and ``seed`` are those of
    :func:`smoothcert.sample`.

    As a module it is the soft smoothed classifier, differentiable: images [B, C, H, W] -> the
    logarithm of the mean of softmax(f(x + sigma * noise)) over ``samples`` fixed draws, for attacks
    and other toolboxes. What is certified is the hard one.

    Each image has noise of its own. It is named by ``seed`` and ``idx``; without ``idx`` the images
    are numbered in the order in which they come, certify and predict each by itself, so that a
    script that runs again draws the same. Raises SmoothcertError, in one line, for all that does
    not fit.
    """

    ABSTAIN = ABSTAIN

    def __init__(
        self,
        base_classifier: Any,
        num_classes: int,
        sigma: float | None = None,
        *,
        noise: str | Noise | None = None,
        seed: int = 0,
        samples: int = 16,
        engine: str = "auto",
        precision: str | None = None,
        device: str | None = None,
        **declared: Any,
    ) -> None:
        super().__init__()
        if (sigma is None) == (noise is None):
            raise SmoothcertError("Smooth: expected sigma or a noise")
        if noise is None:
            noise = Gaussian(_positive(sigma))
        self.noise = NOISES.parse(noise) if isinstance(noise, str) else noise
        told = {"classes": num_classes, "path": type(base_classifier).__name__, **declared}
        self.form = Given.check(told, "Smooth")
        self.base_classifier = base_classifier
        self.num_classes, self.sigma, self.seed = num_classes, self.noise.scale, seed
        self.samples, self._engine, self._precision = samples, engine, precision
        self._device = device
        self._voters: dict[tuple[int, ...], tuple[Any, Voter]] = {}
        self._next: dict[str, int] = {}

    # --- one image, or a batch -----------------------------------------------------------

    def certify(
        self,
        x: Tensor | NDArray,
        n0: int = 100,
        n: int = 100_000,
        alpha: float = 0.001,
        batch_size: int | None = None,
        *,
        budget: str | Budget | None = None,
        idx: ArrayLike | None = None,
        jobs: int | None = None,
    ) -> Any:
        """The class and the radius within which the answer is constant, with probability at least
        1 - alpha (Cohen et al. 2019, CERTIFY): (int, float) for an image [C, H, W], two arrays [B]
        for a batch. The radius is in [0,1] pixels, in the norm of the noise. An abstention is
        (-1, 0.0). ``budget`` stands in place of n0, n and alpha. Raises SmoothcertError for images
        outside [0,1], another number of classes, or an n that can never certify at alpha."""
        chosen = self._budget(budget, n0, n, alpha)
        store, one = self._votes(x, chosen, "certification", batch_size, idx, jobs)
        table = certify(store, chosen, self.noise)
        if one:
            return int(table.predict[0]), float(table.radius[0])
        return table.predict, table.radius

    def predict(
        self,
        x: Tensor | NDArray,
        n: int = 1000,
        alpha: float = 0.001,
        batch_size: int | None = None,
        *,
        idx: ArrayLike | None = None,
        jobs: int | None = None,
    ) -> Any:
        """The answer, or -1 where the two most frequent classes may be tied: wrong with probability
        at most alpha (Cohen et al. 2019, PREDICT). int for an image, an array [B] for a batch."""
        predict([[n, 0]], alpha)  # refuses an (n, alpha) that can never answer
        budget = self._budget(None, 1, n, alpha)
        store, one = self._votes(x, budget, "prediction", batch_size, idx, jobs)
        answers = predict(store.estimation.dense(store.n_classes), alpha)
        return int(answers[0]) if one else answers

    def _votes(
        self,
        x: Tensor | NDArray,
        budget: Budget,
        purpose: Purpose,
        batch: int | None,
        idx: ArrayLike | None,
        jobs: int | None,
    ) -> tuple[VoteStore, bool]:
        one = np.ndim(x) in (1, 3)
        images = as_images(x[None] if one else x)
        assert isinstance(images, Tensor)
        check_images(images[:1], [0])
        if idx is None:
            start = self._next.get(purpose, 0)
            self._next[purpose] = start + len(images)
            idx = np.arange(start, start + len(images))
        idx = np.atleast_1d(np.asarray(idx))
        voter = self._voter(tuple(images.shape[1:]))
        store = voter.votes(
            images, budget, self.noise, idx=idx, seed=self.seed, batch=batch, purpose=purpose,
            look=budget.look_of(_look(budget.n)), jobs=jobs,
        )  # fmt: skip
        return store, one

    def _voter(self, shape: tuple[int, ...]) -> Voter:
        """Examined and opened once for a shape, and again where the weights have changed."""
        weights = _weights(self.base_classifier)
        if shape not in self._voters or self._voters[shape][0] != weights:
            voter = Voter(
                self.base_classifier, shape, form=self.form, device=self._device,
                engine=self._engine, precision=self._precision,
            )  # fmt: skip
            self._check_classes(voter.n_classes)
            self._voters[shape] = weights, voter
        return self._voters[shape][1]

    def _check_classes(self, outputs: int) -> None:
        if outputs != self.num_classes:
            raise SmoothcertError(f"model: {outputs} outputs; num_classes says {self.num_classes}")

    def _budget(self, budget: str | Budget | None, n0: int, n: int, alpha: float) -> Budget:
        if isinstance(budget, Budget):
            return budget
        return BUDGETS.parse(budget or _fixed(n0, n, alpha))

    # --- many images ---------------------------------------------------------------------

    def certify_all(
        self,
        images: Any,
        labels: ArrayLike | None = None,
        *,
        n0: int = 100,
        n: int = 100_000,
        alpha: float = 0.001,
        budget: str | Budget | None = None,
        out: str | Path | None = None,
        batch_size: int | None = None,
        jobs: int | None = None,
        progress: bool = True,
    ) -> CertificateTable:
        """The certificates of a whole set: the rows of ``smoothcert certify``, on the same votes.

        ``images``: [N, C, H, W] with ``labels`` [N] (default: unknown), a torch Dataset or loader
        in its order, a Hugging Face dataset, or a ``datasets.Dataset``. With ``out`` the table
        goes there, its votes and records beside it, and a run that was killed goes on where it
        was. ``jobs`` threads share the images. Raises SmoothcertError as :meth:`certify`, and for
        labels that are no classes.
        """
        data, chosen = dataset_of(images, labels), self._budget(budget, n0, n, alpha)
        wrong = int(data.labels.max(initial=-1))
        if wrong >= self.num_classes:
            raise SmoothcertError(
                f"labels: expected classes 0 to {self.num_classes - 1}, found {wrong}"
            )
        look = chosen.look_of(_look(chosen.n))
        if out is None:
            voter = self._voter(tuple(data.shape))
            rows = np.arange(len(data))
            found = clean.answers(voter.engine, data.images, rows, batch_size or 100)
            clean.warn_of(self.form, data, rows, found)
            store = voter.votes(
                data.images, chosen, self.noise, labels=data.labels, idx=data.idx, seed=self.seed,
                look=look, batch=batch_size, jobs=jobs, progress=progress,
            )  # fmt: skip
            return certify(store, chosen, self.noise)
        spec = {
            "dataset": data.name, "noise": self.noise.slug, "budget": chosen.slug, "look": look,
            "seed": self.seed, "engine": self._engine, "batch": batch_size,
            "precision": self._precision or "float32",
        }  # fmt: skip
        spec = {key: value for key, value in spec.items() if value is not None}
        network, made = introduced(self.base_classifier, self.form, data.shape)
        self._check_classes(made["n_classes"])
        place = Path(out)
        votes = place.with_suffix(".votes.npz")
        with bar(place.name, " inputs", not progress, total=len(data)) as shown:

            def done(inputs: int, samples: int, total: int) -> None:
                shown.update(inputs)

            sampling_job.run(
                SampleSpec.check(spec, "certify_all"), (network, made), votes, data=data, jobs=jobs,
                declared=self.form, device=self._device or "auto", progress=done,
            )  # fmt: skip
        told = CertifySpec(budget=chosen.slug, noise=self.noise.slug)
        return job.run(told, votes, place)[0]

    # --- the soft smoothed classifier ----------------------------------------------------

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, *shape] -> log of the mean softmax over ``samples`` draws, [B, classes]."""
        network = self._voter(tuple(x.shape[1:])).network
        stream = generator(self.seed, "soft", 0, 0, device=x.device)
        noise = self.noise.scale * self.noise.sample((self.samples, *x.shape[1:]), stream)
        noisy = (x[:, None] + noise.to(x.dtype)[None]).flatten(0, 1)
        log_p = wide(network(noisy)).log_softmax(1).unflatten(0, (len(x), self.samples))
        return log_p.logsumexp(1) - float(np.log(self.samples))


def _fixed(n0: int, n: int, alpha: float) -> str:
    """The fixed budget of n0 selection and n estimation samples, failing with at most alpha."""
    level = "" if alpha == 0.001 else f"_a{number(alpha)}"
    first = "" if n0 == 100 else f"_s{n0}"
    return f"fixed{level}{first}-{n}"


def _positive(sigma: Any) -> float:
    try:
        if 0 < float(sigma) < np.inf:
            return float(sigma)
    except (TypeError, ValueError):
        pass
    raise SmoothcertError(f"sigma {sigma!r}: expected a positive number")


def _look(n: int) -> int:
    """Samples of a look: 1000, or the largest part of n below that if it is no tiny one."""
    parts = [look for look in range(100, min(n, 1000) + 1) if n % look == 0]
    return parts[-1] if parts else n


def _weights(model: Any) -> Any:
    """What changes when a network is trained further: each tensor's place, version and sum."""
    if not isinstance(model, nn.Module):
        return None
    with torch.no_grad():
        return [
            (t.data_ptr(), 0 if t.is_inference() else t._version, float(t.double().sum()))
            for t in (*model.parameters(), *model.buffers())
        ]
