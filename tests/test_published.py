"""Tables that others published, read back as votes: alpha found, radii given back."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

from smoothcert.budget import BUDGETS
from smoothcert.certificates import read_certificates, read_column_text
from smoothcert.certificates.certification import certify
from smoothcert.certificates.published import (
    counts_for,
    find_alpha,
    import_certificates,
    printed_interval,
)
from smoothcert.cli import main
from smoothcert.core.confidence import clopper_pearson_lower
from smoothcert.core.errors import SmoothcertError
from smoothcert.datasets import published
from smoothcert.votes import VoteStore

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = (
    Path(os.environ.get("SMOOTHCERT_DATA") or REPOSITORY.parent / "shared" / "data")
    / "published-certificates"
)
FILES = sorted(FOLDER.glob("**/*.tsv.gz"))
N = 100_000


def three_digits(radius):
    return f"{radius:.3}"


def four_decimals(radius):
    return f"{radius:.4f}"


def certify_again(store):
    """The table of the store's lowest counts, at the file's own n and alpha."""
    level = store.identity["published"]["alpha"]
    return certify(store, BUDGETS["fixed"](store.look, level))


def check_given_back(path, store, show):
    original, again = read_certificates(path), certify_again(store)
    assert (again.predict == original.predict).all()
    assert (again.correct == original.correct).all()
    printed = read_column_text(path, "radius")
    for text, radius, predict in zip(printed, again.radius, again.predict, strict=True):
        if predict >= 0 and show(radius) != (show(float(text))):
            # On a tie of the last digit both neighbours are roundings.
            low, high = printed_interval(text)
            assert min(abs(radius - low), abs(radius - high)) < 1e-8, (text, radius)
    assert (again.radius[again.predict < 0] == 0).all()


@pytest.mark.skipif(
    not FILES, reason=f"no published tables in {FOLDER}; name the data directory by SMOOTHCERT_DATA"
)
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name.removesuffix(".tsv.gz"))
def test_a_published_table_certified_again_gives_back_its_radii(path):
    scale = float(path.name.partition("_sigma")[2].removesuffix(".tsv.gz"))
    store = import_certificates(path, scale, N)
    listed = published.table(path.name.removesuffix(".tsv.gz"))
    assert store.identity["published"]["alpha"] == listed.alpha
    texts = [t for t in read_column_text(path, "radius") if float(t) != 0]
    fixed = all(len(t.partition(".")[2]) == 4 for t in texts)
    check_given_back(path, store, four_decimals if fixed else three_digits)
    low, high = store.extra["count_low"], store.extra["count_high"]
    assert (low <= high).all()
    assert high.max() <= N


def synthetic(path, scale, alpha, show, n=N, rows=400, seed=0):
    """A table of known counts, printed as the field prints."""
    rng = np.random.default_rng(seed)
    p = np.concatenate([rng.beta(6, 1, rows - 40), 1 - rng.random(40) * 1e-3])
    counts = rng.binomial(n, p)
    counts[::50] = n
    bounds = clopper_pearson_lower(counts, n, alpha)
    lines = ["idx\tlabel\tpredict\tradius\tcorrect\ttime"]
    for i, bound in enumerate(bounds):
        label, predict = int(rng.integers(10)), int(rng.integers(10)) if bound >= 0.5 else -1
        from scipy.stats import norm  # independent of the library's formula

        radius = scale * norm.ppf(bound) if predict >= 0 else 0.0
        text = show(radius) if predict >= 0 else "0.0"
        lines.append(f"{i}\t{label}\t{predict}\t{text}\t{int(predict == label)}\t0:00:01.5")
    path.write_text("\n".join(lines) + "\n")
    return counts, bounds >= 0.5


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.0005])
@pytest.mark.parametrize(("scale", "show"), [(0.25, three_digits), (0.5, four_decimals)])
def test_alpha_is_found_and_the_true_count_is_in_the_interval(tmp_path, alpha, scale, show):
    path = tmp_path / "t.tsv"
    counts, sure = synthetic(path, scale, alpha, show)
    store = import_certificates(path, scale)
    assert store.identity["published"]["alpha"] == alpha
    low, high = store.extra["count_low"], store.extra["count_high"]
    assert (low <= counts)[sure].all()
    assert (counts <= high)[sure].all()
    assert (counts <= high)[~sure].all()  # an abstention: below the smallest certified count
    check_given_back(path, store, show)
    # Four decimals tell more than three digits; both are exact where all votes agree.
    width = (high - low)[sure]
    assert np.median(width) < (60 if show is four_decimals else 300)
    assert (low[counts == N] == N).all()


def test_an_imported_store_is_a_store(tmp_path):
    synthetic(tmp_path / "t.tsv", 0.25, 0.001, three_digits)
    store = import_certificates(tmp_path / "t.tsv", 0.25)
    store.write(tmp_path / "t.npz")
    again = VoteStore.read(tmp_path / "t.npz")
    assert (certify_again(again).radius == certify_again(store).radius).all()
    assert again.identity == store.identity
    assert set(again.extra) == {"count_low", "count_high"}


def test_counts_are_the_smallest_whose_radius_reaches():
    for k in (50_600, 84_134, 99_999, 100_000):
        from scipy.stats import norm

        radius = 0.5 * norm.ppf(clopper_pearson_lower(k, N, 0.001))
        assert counts_for(np.array([radius - 1e-7, radius + 1e-7]), N, 0.001, 0.5).tolist() == [
            k, k + 1,
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("0.73", 0.7295, 0.7305),
        ("0.5", 0.4995, 0.5005),
        ("2.8", 2.795, 2.805),
        ("3.03", 3.025, 3.035),
        ("1.0", 0.9995, 1.005),
        ("0.0123", 0.01225, 0.01235),
        ("0.953", 0.9525, 0.9535),
        ("0.2841", 0.28405, 0.28415),
        ("9.54e-05", 9.535e-5, 9.545e-5),
    ],
)
def test_a_printed_radius_stands_for_the_numbers_that_print_so(text, low, high):
    assert printed_interval(text) == pytest.approx((low, high), rel=1e-12)


def test_too_few_large_radii_leave_alpha_open_and_a_given_alpha_is_used(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t1\t1\t0.25\t1\t0:00:01\n")
    with pytest.raises(SmoothcertError, match=r"t\.tsv: alpha cannot be determined .*0 radii"):
        import_certificates(path, 0.25)
    assert import_certificates(path, 0.25, alpha=0.01).identity["published"]["alpha"] == 0.01
    with pytest.raises(SmoothcertError, match="fitting: none"):
        find_alpha(["0.9531", "0.9471", "0.9333"], N, 0.25)


def test_a_radius_that_no_count_gives_is_named_with_its_line(tmp_path):
    path = tmp_path / "t.tsv"
    most = 0.25 * math.sqrt(2) * 3  # beyond the radius of 100,000 agreeing votes
    for text in (f"{most:.4f}", "0.9499"):
        path.write_text(
            "idx\tlabel\tpredict\tradius\tcorrect\ttime\n"
            f"0\t1\t1\t0.2500\t1\t0:00:01\n1\t1\t1\t{text}\t1\t0:00:01\n"
        )
        with pytest.raises(SmoothcertError, match=rf"t\.tsv:3: no count out of 100000 .*{text}"):
            import_certificates(path, 0.25, alpha=0.001)


# --- the scale, n and alpha that a table says; counts instead of radii -----------------------


@pytest.mark.parametrize(
    "name",
    [
        "cifar10_resnet110_gaussian_train0.50_sigma0.25.tsv",
        "noise_0.50/test/sigma_0.25.tsv",
        "noise_0.50/sigma_0.25/n_100000/certify.tsv",
        "sigma_0.50/sigma_0.25/certify.tsv",
        "SIGMA=0.25.tsv",
    ],
)
def test_the_noise_scale_is_read_from_the_name_or_the_nearest_folder(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    synthetic(path, 0.25, 0.001, three_digits)
    assert (import_certificates(path).scale == 0.25).all()
    assert (import_certificates(path, 0.25).scale == 0.25).all()


def with_column(path, name, value):
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{head}\t{name}", *(f"{row}\t{value}" for row in rows)]) + "\n")


def test_a_column_says_scale_n_or_alpha_and_a_flag_that_differs_is_refused(tmp_path):
    path = tmp_path / "sigma_0.50.tsv"
    synthetic(path, 0.25, 0.0123, three_digits, n=5000)
    for name, value in (("sigma", "0.25"), ("n", "5000"), ("alpha", "0.0123")):
        with_column(path, name, value)
    store = import_certificates(path)
    assert (store.scale == 0.25).all()
    assert store.look == 5000
    assert store.identity["published"]["alpha"] == 0.0123
    with pytest.raises(SmoothcertError, match=r"column sigma has 0.25, --scale 0.5"):
        import_certificates(path, 0.5)


def test_a_scale_that_nothing_or_too_much_says_names_the_flag(tmp_path):
    plain = tmp_path / "t.tsv"
    synthetic(plain, 0.25, 0.001, three_digits)
    with pytest.raises(SmoothcertError, match=r"t\.tsv: no noise scale .*--scale"):
        import_certificates(plain)
    twice = tmp_path / "sigma0.25_sigma0.50.tsv"
    twice.write_text(plain.read_text())
    with pytest.raises(SmoothcertError, match=r"names several sigmas; .*--scale"):
        import_certificates(twice)
    mixed = tmp_path / "m.tsv"
    head, *rows = plain.read_text().splitlines()
    rows = [f"{row}\t{0.25 if i else 0.5}" for i, row in enumerate(rows)]
    mixed.write_text("\n".join([f"{head}\tsigma", *rows]))
    with pytest.raises(SmoothcertError, match="rows with several sigmas"):
        import_certificates(mixed)


def test_an_alpha_that_cannot_be_told_names_the_flag(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t1\t1\t0.25\t1\t0:00:01\n")
    with pytest.raises(
        SmoothcertError, match=r"alpha cannot be determined .* give it with --alpha"
    ):
        import_certificates(path, 0.25)


def test_counts_instead_of_radii_are_the_votes(tmp_path):
    path = tmp_path / "sigma_0.25.tsv"
    path.write_text("idx\tlabel\tpredict\tcount\n0\t3\t3\t990\n7\t1\t2\t700\n9\t1\t-1\t400\n")
    with pytest.raises(SmoothcertError, match=r"number of votes is unknown; give n \(--n\)"):
        import_certificates(path)
    store = import_certificates(path, n=1000)
    table = certify(store, BUDGETS["fixed"](1000, 0.001))
    assert table.idx.tolist() == [0, 7, 9]
    assert table.predict.tolist() == [3, 2, -1]
    bound = clopper_pearson_lower([990, 700], 1000, 0.001)
    from scipy.stats import norm

    assert table.radius[:2] == pytest.approx(0.25 * norm.ppf(bound))
    assert store.extra["count_low"][:2].tolist() == [990, 700]
    with pytest.raises(
        SmoothcertError, match=r"sigma_0\.25\.tsv:2: count 990: expected 0 to n = 500"
    ):
        import_certificates(path, n=500)


@pytest.mark.parametrize(
    ("blank", "first"), [("\t", False), (" ", False), (",", False), (" ", True)]
)
def test_class_counts_and_a_label_without_header_are_the_votes(tmp_path, blank, first):
    votes = [[990, 10, 0], [100, 200, 700], [0, 1000, 0]]
    labels = [0, 1, 1]
    rows = [[c, *v] if first else [*v, c] for v, c in zip(votes, labels, strict=True)]
    path = tmp_path / "t.txt"
    path.write_text("\n".join(blank.join(map(str, row)) for row in rows) + "\n")
    store = import_certificates(path, 0.5)
    assert store.look == 1000
    assert store.label.tolist() == labels
    assert store.estimation.dense(3).tolist() == votes
    assert store.top_class().tolist() == [0, 2, 1]
    table = certify(store, BUDGETS["fixed"](1000, 0.001))
    assert table.correct.tolist() == [1, 0, 1]
    with pytest.raises(SmoothcertError, match="equal sums of counts, n = 999"):
        import_certificates(path, 0.5, n=999)
    path.write_text(path.read_text() + f"3{blank}4\n")
    with pytest.raises(SmoothcertError, match=r"t\.txt:4: expected 4 fields .* found 2"):
        import_certificates(path, 0.5)


def test_the_command_reads_counts_and_finds_the_scale(tmp_path, capsys):
    path = tmp_path / "sigma_0.50.tsv"
    path.write_text("990 10 0 0\n100 200 700 1\n")
    assert main(["import-certificates", str(path), "--out", str(tmp_path / "v.npz")]) == 0
    assert "2 rows, 2 with a class, scale 0.5; counts known to within 1 of 1000" in (
        capsys.readouterr().out
    )
    assert main(["replay", str(tmp_path / "v.npz"), "--budget", "fixed-1000"]) == 0
    assert main(["replay", str(path), "--budget", "fixed-1000"]) == 0
