"""What the page shows, paper by paper: tables and figures by the name of their target.

A figure's words are its caption and, for who cannot see it, its alternative text.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Section:
    """A part of the page. ``paper`` is the key of its claims (reference.PAPERS), if it is one's.

    ``tables`` are names of ``tables/NAME.md`` (a name with a folder is that file, and it may hold
    ``*``), ``figures`` are ``figures/NAME.png`` with their
    captions (a name may end in ``*``), ``notebook`` is ``reports/NAME.html``.
    """

    key: str
    title: str
    claim: str
    tables: tuple[str, ...] = ()
    figures: dict[str, str] = field(default_factory=dict)
    notebook: str | None = None
    paper: str | None = None


SECTIONS = (
    Section(
        "cohen",
        "Gaussian smoothing",
        "Cohen, Rosenfeld and Kolter 2019: a majority vote under Gaussian noise cannot be changed"
        " within a radius that the vote's margin gives. The baseline of all that follows.",
        ("cohen_table",),
        {"cohen_figure": "Certified accuracy against the l2 radius, one curve a noise scale"},
        "cohen",
    ),
    Section(
        "training",
        "Six ways to train the base classifier",
        "Cohen, SmoothAdv and MACER, each with one noise scale for all training inputs and with"
        " scales of the inputs' own (DS2), certified at the fixed scale.",
        ("training_table",),
        {"training_curves_*": "Loss, noisy accuracy and noise scales over the epochs"},
    ),
    Section(
        "ddrs",
        "Data-dependent noise scales (DDRS)",
        "Alfarra et al. 2022: choosing the noise scale of each input by gradient ascent on its"
        " radius raises certified accuracy and average certified radius.",
        (
            "ddrs_table1",
            "ddrs_table2",
            "ddrs_table3",
            "ddrs_table4",
            "ddrs_controls",
            "ddrs_times",
            "ddrs_appendix",
        ),
        {
            "ddrs_fig3": "Figure 3: Cohen's training, certified accuracy per sigma and envelope",
            "ddrs_fig4": "Figure 4: SmoothAdv, certified accuracy per sigma and envelope",
            "ddrs_fig5": "Figure 5: MACER, certified accuracy per sigma and envelope",
            "ddrs_fig6": "Figure 6: images, under fixed noise and under noise of their own scale",
            "ddrs_fig7": "Figure 7: certified accuracy against the number of ascent steps K",
            "ddrs_controls": "What the ascent adds to a ramp, a shared scale, a grid: paired ACR",
            "ddrs_appendix_grid": "Appendix B: ascent against greedy grid search",
            "ddrs_appendix_sigma": "Histogram of the chosen scales, improved inputs marked",
            "ddrs_appendix_images": "More images under fixed and data-dependent noise",
        },
        "ddrs",
        "ddrs",
    ),
    Section(
        "iss",
        "Input-specific sample sizes (ISS)",
        "Chen et al. 2022: most inputs need far fewer samples than the usual 100,000 for a radius"
        " that is hardly smaller.",
        ("iss_table1", "iss_table2", "iss_table3", "iss_table4", "iss_table5", "iss_replay"),
        {
            "iss_fig1": "Figure 1: radius lost and samples used, replayed from our votes",
            "iss_fig3": "Figure 3: radius against samples for a low and a high class probability",
            "iss_fig4": "Figure 4: the class probabilities of one model",
            "iss_fig5": "Figure 5: the same as figure 1 for the second model",
            "iss_fig6": "Figure 6, upper: sample sizes by class probability",
            "iss_fig6_lower": "Figure 6, lower: average radius against average samples",
            "iss_coverage": "Failure rate of each rule at known class probability",
            "iss_replay": "Published certificates replayed under other budgets",
        },
        "iss",
        "iss",
    ),
    Section(
        "lbrs",
        "Locally biased smoothing (LBRS)",
        "Anderson and Sojoudi 2022: a bias towards the nearest reserved example makes the decision"
        " robust, with a deterministic radius.",
        ("lbrs_claims",),
        {
            "lbrs_fig1": "Figure 1: decision regions on the spiral as the bias grows",
            "lbrs_fig2": "Figure 2: accuracy and certified radii against the bias",
            "lbrs_fig3": "Figure 3: accuracy against bias and noise, first image task",
            "lbrs_fig4": "Figure 4: accuracy under attack, first image task",
            "lbrs_fig5": "Figure 5: accuracy against bias and noise, second image task",
            "lbrs_fig6": "Figure 6: accuracy under attack, second image task",
        },
        "lbrs",
        "lbrs",
    ),
    Section(
        "nongaussian",
        "Non-Gaussian noise",
        "Zhang et al. 2020: noise with more mass near its centre certifies more than Laplace (l1)"
        " and Gaussian noise (l2, linf) at the same accuracy.",
        (
            "nongaussian_table1",
            "nongaussian_table2",
            "nongaussian_table3",
            "nongaussian_gain",
            "nongaussian_training",
        ),
        {
            "nongaussian_fig1": "Figure 1: where the noise puts its norm",
            "nongaussian_fig2": "Figure 2: overlap of a density and its shift",
            "nongaussian_fig3": "Figure 3: accuracy against robustness on the toy example",
            "nongaussian_fig4": "Figure 4: certified accuracy against the linf radius",
            "nongaussian_ablation": "At equal noise energy: the certificate hardly depends on k",
        },
        "nongaussian",
        "zhang",
    ),
)

# What stands below the verdicts of the audits.
AUDITS = Section(
    "audits",
    "Audits",
    "Each promise of a certificate, and whether an attempt to break it succeeded. A broken promise"
    " of a paper is a result; a broken promise of a variant that this project calls sound is a"
    " fault.",
    ("audits/honesty-together.md", "audits/honesty-optimism.md", "audits/numerics-*.md"),
    {
        "audit_memory": "What attacks on certificates of input-dependent scales found",
        "audit_attack_accuracy": "Certified accuracy beside accuracy under attack, by radius",
        "audit_coverage": "Failure rate of each confidence procedure at known class probability",
        "audit_honesty": "Certificates all at once, and settings chosen on the test inputs",
        "audit_numerics_*": "The same certificates in other arithmetic",
    },
    "audits",
)
