"""How a choice reads in print: "Cohen, σ = 0.25" for ``cohen-fs-0.25``; its slug stands in CSVs.

What no member of a family answers to is printed as it is.
"""

from __future__ import annotations

import re
from typing import Any

from smoothcert.budget import BUDGETS
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Family, Training, number
from smoothcert.noise import NOISES
from smoothcert.scaling import SCALINGS

METHODS = {
    "cohen": "Cohen",
    "cohen2019": "Cohen (2019's log)",
    "smoothadv": "SmoothAdv",
    "macer": "MACER",
    "consistency": "Consistency",
}


# SmoothAdv's published models: the attack and its steps, noise samples m, radius
_ATTACK = re.compile(r"smoothadv(pgd|ddn)(\d+)(?:m(\d+))?eps(\d+)")


def method(name: str) -> str:
    """A training method: ``smoothadv`` -> SmoothAdv."""
    attack = _ATTACK.fullmatch(name)
    if attack is None:
        return METHODS.get(name, name)
    kind, steps, samples, eps = attack.groups()
    return f"SmoothAdv ({kind.upper()} {steps}, m = {samples or 1}, ε = {eps}/255)"


def variant(text: str) -> str:
    """What is not usual in a training: ``_n1`` -> " (n = 1)"; nothing for nothing."""
    words = re.sub(r"_n(\d+)", r" (n = \1)", text.replace("_ft", ", fine-tuned for as long"))
    return re.sub(r"_seed(\d+)", r" (seed \1)", words)


def training(slug: str) -> str:
    """``macer-ds2_n1-0.25`` -> "MACER-DS2 (n = 1), σ = 0.25"; without a scale as :func:`recipe`."""
    try:
        one = Training.parse(slug)
    except SmoothcertError:
        return recipe(slug)
    shape = "" if one.noise == "gaussian" else f", {noise(one.noise_slug)}"
    scale = shape or f", σ = {number(one.scale)}"
    return f"{_recipe(one)}{scale}"


def recipe(slug: str) -> str:
    """A training without its scale: ``cohen-fs-laplace`` -> "Cohen, Laplace"."""
    try:
        one = Training.parse(f"{slug}-1.00")
    except SmoothcertError:
        return slug
    return _recipe(one) + ("" if one.noise == "gaussian" else f", {noise_family(one.noise)}")


def _recipe(one: Training) -> str:
    schedule = {"fs": "", "ds2": "-DS2"}.get(one.schedule, f"-{one.schedule}")
    return f"{method(one.method)}{schedule}{variant(one.variant)}"


def noise(slug: str) -> str:
    """``centripetal-l2_k48-1.00`` -> "centripetal ℓ₂, k = 48, σ = 1.00"."""
    return _title(NOISES, slug)


def noise_family(name: str) -> str:
    """A noise without k and scale: ``centripetal-l2`` -> "centripetal ℓ₂"."""
    return NOISES[name].label or name if name in NOISES else name


def scaling(slug: str) -> str:
    """``ascent-K900`` -> "DS, K = 900"; ``fixed`` -> "fixed"."""
    return _title(SCALINGS, slug)


def budget(slug: str) -> str:
    """``fixed-10000`` -> "n = 10,000"."""
    return _title(BUDGETS, slug)


def model(dataset: str | None, training_slug: str | None, noise_slug: str | None) -> str:
    """What was certified: "digits, Cohen, σ = 0.50"; the noise where it is not the training's."""
    words = [dataset, training(training_slug) if training_slug else None]
    try:
        trained = Training.parse(training_slug or "").noise_slug
    except SmoothcertError:
        trained = None
    if noise_slug and noise_slug != trained:
        words.append(noise(noise_slug))
    return ", ".join(word for word in words if word)


def label(name: str, value: str) -> str:
    """The label of a row: ``label("training", "cohen-fs-0.25")`` -> "Cohen, σ = 0.25"."""
    if name == "training":
        known = training(value)
        return known if known != value else recipe(value)
    return {"noise": noise, "scaling": scaling, "budget": budget}.get(name, str)(value)


def _title(family: Family[Any], slug: str) -> str:
    try:
        return str(family.parse(slug).title)
    except SmoothcertError:
        return slug
