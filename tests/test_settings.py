"""Settings: an option is declared once; a mistake in it is one line that says what and where."""

from typing import Any, Literal

import pytest
from pydantic import Field, model_validator

from smoothcert.core.errors import SmoothcertError
from smoothcert.core.settings import (
    Count,
    Natural,
    Positive,
    Probability,
    Settings,
    json_mapping,
    same,
)


class Inner(Settings):
    k: Count = 1


class Job(Settings):
    n: Count
    seed: Natural = Field(0, description="of the streams")
    most: Count | None = None
    lr: Positive = 1.0
    alpha: Probability = 0.001
    kind: Literal["fixed", "ascent"] = "fixed"
    names: tuple[str, ...] = ()
    strict: bool = False
    inner: Inner = Inner()

    @model_validator(mode="after")
    def _together(self) -> "Job":
        if self.strict and self.n < 2:
            raise ValueError(f"n {self.n}: strict needs at least 2")
        return self


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "spec: n: missing"),
        ({"n": 0}, "spec: n: expected at least 1, found 0"),
        ({"n": 1.0}, "spec: n: expected a whole number, found 1.0"),
        ({"n": "3"}, "spec: n: expected a whole number, found '3'"),
        ({"n": True}, "spec: n: expected a whole number, found True"),
        ({"n": 1, "seed": -1}, "spec: seed: expected at least 0, found -1"),
        ({"n": 1, "most": 0}, "spec: most: expected at least 1, found 0"),
        ({"n": 1, "lr": 0}, "spec: lr: expected more than 0, found 0"),
        ({"n": 1, "lr": float("inf")}, "spec: lr: expected a finite number, found inf"),
        ({"n": 1, "lr": "fast"}, "spec: lr: expected a number, found 'fast'"),
        ({"n": 1, "alpha": 1}, "spec: alpha: expected less than 1, found 1"),
        ({"n": 1, "alpha": float("nan")}, "spec: alpha: expected a finite number, found nan"),
        ({"n": 1, "kind": "grid"}, "spec: kind: expected one of fixed, ascent, found 'grid'"),
        ({"n": 1, "names": "a"}, "spec: names: expected a list, found 'a'"),
        ({"n": 1, "names": ["a", 2]}, "spec: names.1: expected a text, found 2"),
        ({"n": 1, "strict": 1}, "spec: strict: expected true or false, found 1"),
        ({"n": 1, "strict": True}, "spec: n 1: strict needs at least 2"),
        ({"n": 1, "inner": 3}, "spec: inner: expected a mapping, found 3"),
        ({"n": 1, "inner": {"j": 1}}, "spec: inner.j: unknown key; expected one of k"),
        ({"n": 1, "m": 1}, "spec: m: unknown key; expected one of n, seed, most, lr"),
    ],
)
def test_a_mistake_is_one_line_with_key_expectation_and_value(data: dict[str, Any], message: str):
    with pytest.raises(SmoothcertError) as error:
        Job.check(data, "spec")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_plain_data_reads_back_as_the_same_settings():
    job = Job.check({"n": 3, "lr": 1, "names": ["a"], "inner": {"k": 2}}, "spec")
    assert job.lr == 1.0
    assert isinstance(job.lr, float)
    assert Job.check(job.plain(), "spec") == job
    assert job.plain()["names"] == ["a"]


def test_a_part_is_checked_key_by_key_and_keeps_only_what_was_given():
    assert Job.check_part({"strict": True, "inner": {}}, "part") == {"strict": True, "inner": {}}
    assert Job.check_part({"lr": 1}, "part") == {"lr": 1.0}
    with pytest.raises(SmoothcertError, match=r"^part: inner\.k: expected at least 1, found 0$"):
        Job.check_part({"inner": {"k": 0}}, "part")
    with pytest.raises(SmoothcertError, match=r"^part: m: unknown key"):
        Job.check_part({"m": 0}, "part")


def test_a_specification_alone_is_a_part_of_what_is_made_of_it():
    class Command(Job):
        out: str

    command = Command(n=4, out="x")
    job = command.only(Job)
    assert type(job) is Job
    assert job == Job(n=4)
    assert job.model_fields_set == {"n"}


def test_the_same_field_again_has_its_meaning_and_its_own_default():
    class Other(Settings):
        seed: Natural = same(Job, "seed")
        start: Natural = same(Job, "seed", 7)
        n: Count = same(Job, "n")

    assert Other(n=2).plain() == {"seed": 0, "start": 7, "n": 2}
    assert Other.model_fields["start"].description == "of the streams"
    with pytest.raises(SmoothcertError, match=r"^other: n: missing$"):
        Other.check({}, "other")


def test_a_mapping_is_read_from_text_or_from_a_file(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text('{"n": 1}')
    assert json_mapping('{"n": 1}', "--spec") == json_mapping(f"@{path}", "--spec") == {"n": 1}
    for text, message in (("{n", "--spec: not valid JSON"), ("[1]", "--spec: expected a mapping")):
        with pytest.raises(SmoothcertError, match=message):
            json_mapping(text, "--spec")
