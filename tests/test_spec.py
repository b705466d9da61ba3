"""One choice, one spelling: slugs read back as what they were printed from."""

import math
import subprocess
import sys
from dataclasses import fields

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from smoothcert.budget import BUDGETS
from smoothcert.core.errors import SmoothcertError
from smoothcert.core.slugs import Family, Part, Training, arg, main, number
from smoothcert.models import ARCHITECTURES
from smoothcert.noise import NOISES
from smoothcert.scaling import SCALINGS

FAMILIES = {"budget": BUDGETS, "noise": NOISES, "architecture": ARCHITECTURES}
MEMBERS = [(family, name) for family, members in FAMILIES.items() for name in members]

positive = st.floats(1e-9, 1e6) | st.integers(1, 400).map(lambda i: i / 100)
KINDS = {float: positive, int: st.integers(0, 10**6), bool: st.booleans()}
# Fields whose range is narrower than their type's.
NAMED = {
    "alpha": st.floats(1e-9, 0.4) | st.sampled_from([0.001, 0.05]),
    "n": st.integers(40, 10**7),
    "engine": st.sampled_from(["", "fresh", "spending", "mixture"]),
}


@st.composite
def parts(draw, cls):
    """A member with random parameters, each left at its default half of the time."""
    values = {}
    for f in fields(cls):
        if "key" not in f.metadata or (not f.metadata["main"] and draw(st.booleans())):
            continue
        values[f.name] = draw(NAMED.get(f.name, KINDS.get(f.metadata["kind"], st.just(""))))
    try:
        return cls(**values)
    except (ValueError, SmoothcertError):  # parameters that exclude each other
        assume(False)


@pytest.mark.parametrize(("family", "name"), MEMBERS)
def test_every_part_reads_back_from_its_slug(family, name):
    members = FAMILIES[family]

    @given(parts(members[name]))
    @settings(max_examples=40, derandomize=True, suppress_health_check=list(HealthCheck))
    def round_trip(part):
        assert members.parse(part.slug) == part
        assert members.parse(part.slug).slug == part.slug
        assert "/" not in part.slug
        assert " " not in part.slug

    round_trip()


@given(positive)
def test_a_number_reads_back_exactly_and_has_two_decimals(value):
    text = number(value)
    assert float(text) == value
    assert "e" not in text
    assert len(text.partition(".")[2]) >= 2


@given(
    st.sampled_from(["cohen", "smoothadv", "macer", "consistency"]),
    st.sampled_from(["fs", "ds2"]),
    st.integers(0, 400).map(lambda i: i / 100),
    st.sampled_from(["gaussian", "uniform", "laplace", "centripetal-l1_k5"]),
    st.sampled_from(["", "_n1", "_n8", "_ft"]),
)
def test_every_training_reads_back_from_its_slug(method, schedule, scale, noise, variant):
    training = Training(method, schedule, scale, noise, variant)
    assert Training.parse(training.slug) == training
    assert training.noise_slug == f"{noise}-{number(scale)}"


@pytest.mark.parametrize(
    ("family", "wrong", "right"),
    [
        (NOISES, "gaussian-0.5", "gaussian-0.50"),
        (NOISES, "gaussian-0.250", "gaussian-0.25"),
        (NOISES, "gaussian-1", "gaussian-1.00"),
        (BUDGETS, "fixed_a0.001-1000", "fixed-1000"),
        (BUDGETS, "fixed_s100-1000", "fixed-1000"),
        (BUDGETS, "fixed_s50_a0.01-1000", "fixed_a0.01_s50-1000"),
        (Training, "cohen-fs-0.250", "cohen-fs-0.25"),
        (Training, "cohen-fs-gaussian-0.25", "cohen-fs-0.25"),
    ],
)
def test_a_spelling_that_is_not_the_canonical_one_is_refused_and_the_canonical_one_named(
    family, wrong, right
):
    with pytest.raises(SmoothcertError) as caught:
        family.parse(wrong)
    assert f"{right!r}" in str(caught.value)
    assert family.parse(right).slug == right


@pytest.mark.parametrize(
    ("family", "slug", "says"),
    [
        (NOISES, "gausian-0.25", "expected one of"),
        (NOISES, "gaussian", "scale"),
        (NOISES, "gaussian-", "scale"),
        (NOISES, "gaussian-0.00", "positive"),
        (NOISES, "gaussian--1.00", "gaussian"),
        (NOISES, "gaussian-1e-3", "gaussian"),
        (NOISES, "gaussian_x3-0.25", "unknown argument 'x3'"),
        (NOISES, "gaussian-0.25 ", "gaussian"),
        (BUDGETS, "fixed-1000.5", "fixed"),
        (BUDGETS, "fixed-٣000", "fixed"),
        (BUDGETS, "fixed_a1.50-1000", "(0, 1)"),
        (BUDGETS, "fixed_a0.01_a0.02-1000", "unknown argument"),
        (BUDGETS, "", "unknown"),
        (ARCHITECTURES, "resnet20-3", "does not accept -3"),
        (Training, "cohen-0.25", "METHOD-SCHEDULE-SCALE"),
        (Training, "cohen-fs-0.25-x", "METHOD-SCHEDULE-SCALE"),
    ],
)
def test_a_slug_that_names_nothing_is_refused_with_the_reason(family, slug, says):
    with pytest.raises(SmoothcertError) as caught:
        family.parse(slug)
    assert says in str(caught.value)
    assert repr(slug) in str(caught.value) or "alpha" in str(caught.value)


def test_the_longest_name_wins_so_a_member_may_be_called_as_another_with_a_suffix():
    assert BUDGETS.parse("iss-fresh_ad0.05-1000").name == "iss-fresh"
    assert BUDGETS.parse("iss_ad0.05-1000").name == "iss"
    assert NOISES.parse("gaussian-linf-0.25").name == "gaussian-linf"


def test_a_family_takes_members_from_elsewhere():
    from dataclasses import dataclass

    family: Family = Family("thing")

    @family.member("knot")
    @dataclass(frozen=True)
    class Knot(Part):
        size: float = main("K")
        turns: int = arg("t", 1, int)
        tight: bool = arg("tight", False, bool)

    assert Knot(2.0).slug == "knot-K2.00"
    assert family.parse("knot_t3_tight-K0.50") == Knot(0.5, 3, True)
    with pytest.raises(SmoothcertError, match=r"thing 'knot-2.00': expected -Ksize"):
        family.parse("knot-2.00")


@pytest.mark.parametrize(
    ("family", "slug", "title"),
    [
        (NOISES, "gaussian-0.25", "Gaussian, σ = 0.25"),
        (NOISES, "uniform-0.50", "uniform, λ = 0.50"),
        (NOISES, "centripetal-l2_k48-1.00", "centripetal ℓ₂, k = 48, σ = 1.00"),
        (SCALINGS, "fixed", "fixed"),
        (SCALINGS, "ascent-K900", "DS, K = 900"),
        (SCALINGS, "ascent-mean-K900", "one scale: mean of DS's, K = 900"),
        (BUDGETS, "fixed-10000", "n = 10,000"),
        (BUDGETS, "iss_ad0.05-10000", "ISS, absolute decline 0.05, at most 10,000"),
        (BUDGETS, "sequential_grid0.25-100000", "sequential, radii every 0.25, at most 100,000"),
    ],
)
def test_people_read_names_and_no_defaults(family, slug, title):
    assert family.parse(slug).title == title


def test_two_choices_never_read_alike():
    slugs = ("gaussian-0.25", "gaussian-0.50", "gaussian-linf-0.25", "laplace-0.25")
    slugs += ("centripetal-l2_k4-0.25", "centripetal-l2-0.25", "mixed-linf_k4-0.25")
    titles = {NOISES.parse(slug).title for slug in slugs}
    slugs += ("iss_ad0.05-10000", "iss_s200_ad0.05-10000", "iss-fresh_ad0.05-10000", "fixed-10000")
    slugs += ("fixed_a0.01-10000", "iss_rd0.05-10000", "anytime-10000")
    titles |= {BUDGETS.parse(slug).title for slug in slugs[7:]}
    assert len(titles) == len(slugs)


def test_choices_are_named_without_torch():
    code = (
        "import sys; from smoothcert.scaling import SCALINGS;"
        "from smoothcert.budget import BUDGETS;"
        "from smoothcert.noise import NOISES; from smoothcert.models import ARCHITECTURES;"
        "NOISES.parse('mixed-linf_k5-0.25'); SCALINGS.parse('ascent-K900');"
        "BUDGETS.parse('fixed-1000'); ARCHITECTURES.parse('resnet110');"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_no_part_is_made_of_a_number_that_is_none():
    for value in (math.nan, math.inf, 0.0, -1.0):
        with pytest.raises((ValueError, SmoothcertError)):
            NOISES["gaussian"](value)
    for value in (math.nan, 0.0, 1.0, -0.1):
        with pytest.raises(SmoothcertError, match="alpha"):
            BUDGETS["fixed"](1000, alpha=value)
