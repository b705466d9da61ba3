"""The audits: every kind that there is, and the jobs of the workflow. Imports nothing heavy.

A new audit is a class (base.py), its settings (settings.py) and an entry here.
"""

from __future__ import annotations

from dataclasses import dataclass

from smoothcert.audits import settings as s
from smoothcert.core.settings import Settings


@dataclass(frozen=True)
class Kind:
    """What ``smoothcert audit NAME`` does: the class ``audit`` ("module:Class") with its
    ``settings``, of the files ``takes`` (fields of :class:`smoothcert.audits.base.Subject`).

    It writes BASE.json, and what ``endings`` says beside it: rows (tsv, csv), witnesses (npz).
    ``example`` is about results of preset smoke.
    """

    name: str
    help: str
    audit: str
    settings: type[Settings]
    takes: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    example: str = ""  # words after the command's name

    @property
    def key(self) -> str:
        """Its name in the configuration, as ``audits.memory_soundness``."""
        return self.name.replace("-", "_")


@dataclass(frozen=True)
class Job:
    """A rule of the workflow: ``path`` below ``audits`` names the results of one job.

    ``subject`` says whose files it takes (workflow/audits.py): ``run``, every run of the kind by
    itself; ``routed``, one of dual smoothing; ``model``, all runs of a model; ``dataset``, the one
    run of a data set; ``whole``, all together; ``lbrs``, the certificates of LBRS; ``nothing``.
    ``grids`` are the keys of its runs in the configuration, ``resources`` the stage whose resources
    it has (None: a light job).
    """

    name: str
    kind: Kind
    path: str
    subject: str
    grids: tuple[str, ...] = ("runs",)
    resources: str | None = "sample"
    local: bool = False


RUN = "{dataset}/{arch}/{training}/{noise}/{scaling}/{budget}"

# What examples are about: results of preset smoke
_OF = "digits/tiny_cnn/cohen-fs-0.25"
_CERTIFICATES = f"results/smoke/certificates/{_OF}"
_FIXED = f"{_CERTIFICATES}/gaussian-0.25/fixed/fixed-10000.tsv"
_OWN_SCALES = f"{_CERTIFICATES}/gaussian-0.25/ascent-K900/fixed-2000.tsv"
_TWO = f"{_CERTIFICATES}/gaussian-0.25/fixed/fixed-2000.tsv {_OWN_SCALES}"
_VOTES = f"results/smoke/votes/{_OF}/gaussian-0.25/fixed/votes.npz"
_MODEL = f"--model results/smoke/models/{_OF}/model.safetensors"

MEMORY_SOUNDNESS = Kind(
    "memory-soundness",
    "certificates with input-dependent noise scales, with and without memory",
    "smoothcert.audits.memory_soundness:MemorySoundness",
    s.MemorySoundnessSettings,
    takes=("tables", "model", "data_dir", "device", "quiet"),
    endings=("tsv", "npz"),
    example=f"{_OWN_SCALES} {_MODEL} --max 5 --out soundness",
)
FALSIFICATION = Kind(
    "falsification",
    "attacks on certificates inside their own radius",
    "smoothcert.audits.falsification:Falsification",
    s.FalsificationSettings,
    takes=("tables", "model", "levels", "spiral", "data_dir", "device"),
    endings=("tsv", "npz"),
    example=f"{_FIXED} {_MODEL} --max 10 --out falsification",
)
ATTACK_ACCURACY = Kind(
    "attack-accuracy",
    "certified accuracy against accuracy under attack, at each radius",
    "smoothcert.audits.attack_accuracy:AttackAccuracy",
    s.AttackAccuracySettings,
    takes=("tables", "model", "data_dir", "device", "quiet"),
    endings=("csv",),
    example=f"{_FIXED} {_MODEL} --max 10 --out attack",
)
COVERAGE = Kind(
    "coverage",
    "how often each confidence procedure fails, exactly or simulated",
    "smoothcert.audits.procedures:Coverage",
    s.CoverageSettings,
    endings=("csv",),
    example="--n 10000 --runs 20000 --out coverage",
)
HONESTY = Kind(
    "honesty",
    "all certificates at once, and settings chosen on test inputs",
    "smoothcert.audits.honesty:Honesty",
    s.HonestySettings,
    takes=("tables", "votes"),
    endings=("csv",),
    example=f"{_TWO} --votes {_VOTES} --budget fixed-2000 --out honesty",
)
NUMERICS = Kind(
    "numerics",
    "the same certificates in other arithmetic, and floating-point attacks on noise",
    "smoothcert.audits.numerics_verdicts:Numerics",
    s.NumericsSettings,
    takes=("tables", "model", "data_dir", "device"),
    endings=("csv",),
    example=f"{_FIXED} {_MODEL} --max 10 --out numerics",
)
RADII = Kind(
    "radii",
    "radius formulas against the worst base classifier",
    "smoothcert.audits.extremal:Radii",
    s.RadiiSettings,
    example="gaussian-1.00 laplace-1.00 --d 64 --out radii",
)
STREAMS = Kind(
    "streams",
    "whether any noise is reused between scale search, sampling and attack",
    "smoothcert.audits.reuse:Streams",
    s.StreamsSettings,
    takes=("model", "data_dir"),
    example=f"{_MODEL} --dataset digits --noise gaussian-0.25 --out streams",
)

KINDS = (
    MEMORY_SOUNDNESS,
    FALSIFICATION,
    ATTACK_ACCURACY,
    COVERAGE,
    HONESTY,
    NUMERICS,
    RADII,
    STREAMS,
)

JOBS = (
    Job("memory_soundness", MEMORY_SOUNDNESS, f"memory_soundness/{RUN}", "run"),
    Job("falsification", FALSIFICATION, "falsification/{dataset}/{arch}/{training}", "model"),
    Job("falsification_dual", FALSIFICATION, f"falsification/{RUN}", "routed", ("dual",)),
    Job("falsification_lbrs", FALSIFICATION, "falsification/lbrs", "lbrs", resources="lbrs"),
    Job("attack_accuracy", ATTACK_ACCURACY, f"attack_accuracy/{RUN}", "run"),
    Job("coverage", COVERAGE, "coverage", "nothing", (), None),
    Job("honesty", HONESTY, "honesty", "whole", ("runs", "together"), None, local=True),
    Job("numerics", NUMERICS, "numerics-{dataset}", "dataset"),
    Job("radii", RADII, "radii", "nothing", (), None),
)
