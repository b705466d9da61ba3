"""The page of all results: who reads it with ears, keyboard, telephone or paper reads it all."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image
from reporting import certificates
from test_config import preset

from smoothcert.cli import main
from smoothcert.core.errors import SmoothcertError
from smoothcert.report import show
from smoothcert.report.claims import NOT_REPRODUCED, REPRODUCED
from smoothcert.report.ledger import ledger
from smoothcert.report.numbers import read_results
from smoothcert.report.page import Page
from smoothcert.report.ship import ship
from smoothcert.report.style import save
from smoothcert.report.verdict import BROKEN, HOLDS, Verdict, write_verdicts
from smoothcert.workflow import bundle
from smoothcert.workflow.catalogue import SECTIONS

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for path in map(shutil.which, BROWSERS) if path), None)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder with certificates, a table, a broad figure, differences, claims and audits."""
    folder = tmp_path_factory.mktemp("page") / "results" / "smoke"
    record = {"identity": {"dataset": "digits", "seed": 7}, "surroundings": {"python": "3.12"}}
    paths = certificates(folder, inputs=40, record=record)
    (folder / "reports").mkdir()
    (folder / "reports" / "cohen.html").write_text("<p>", encoding="utf-8")
    for kind, name in (("table", "cohen_table"), ("figure", "cohen_figure")):
        out, numbers = folder / f"{kind}s" / name, folder / "numbers" / f"{name}.csv"
        assert main([kind, name, "--out", str(out), "--numbers", str(numbers), *paths]) == 0
    save(Figure(figsize=(9, 3)), folder / "figures" / "audit_memory")
    save(Figure(figsize=(3, 3)), folder / "figures" / "of_no_output")
    broken = Verdict("a ball <keeps> its class", "digits", BROKEN, "found", procedure="ISS printed")
    sound = Verdict("failure at most alpha", "clopper-pearson", HOLDS, "all paths", ours=True)
    write_verdicts(folder / "audits" / "deep" / "a.json", "test", [broken, sound], {})
    numbers, out = folder / "numbers" / "cohen_table.csv", folder / "differences" / "cohen_table"
    assert main(["overview", "compare", str(numbers), "--out", str(out)]) == 0
    assert main(["overview", "claims", str(folder), "--out", str(folder / "tables/claims")]) == 0
    assert main(["overview", "page", str(folder), "--out", str(folder / "index.html")]) == 0
    bundle.keep(folder, preset("smoke"))
    return folder


def page_of(folder):
    return Page(folder, "smoke", SECTIONS)


class Reader(HTMLParser):
    """Elements in order, with their attributes; every one is closed where it should be."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.open = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()

    def of(self, *tags):
        return [(tag, attrs) for tag, attrs in self.elements if tag in tags]


def test_it_is_read_in_order_and_by_name(results):
    page = Reader((results / "index.html").read_text(encoding="utf-8"))
    levels = [int(tag[1]) for tag, _ in page.of("h1", "h2", "h3", "h4")]
    assert page.open == []
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.of("html") == [("html", {"lang": "en"})]
    assert len(page.of("main")) == 1
    assert page.of("a")[0][1]["href"] == "#main"  # skips the contents
    images = page.of("img")
    assert images
    assert all(attrs["alt"] and (results / attrs["src"]).exists() for _, attrs in images)
    assert len(page.of("caption")) == len(page.of("table"))
    assert all(attrs["scope"] in ("row", "col") for _, attrs in page.of("th"))
    scrolled = [attrs for _, attrs in page.of("div") if attrs.get("class") in ("wide", "broad")]
    assert all(attrs["tabindex"] == "0" and attrs["aria-label"] for attrs in scrolled)
    assert {attrs["class"] for attrs in scrolled} == {"wide", "broad"}


def test_every_link_leads_somewhere_and_nothing_is_fetched(results):
    page = Reader((results / "index.html").read_text(encoding="utf-8"))
    names = {attrs["id"] for _, attrs in page.elements if "id" in attrs}
    for _, attrs in page.of("a"):
        target = attrs["href"]
        assert target[1:] in names if target.startswith("#") else (results / target).exists()
    loaded = [a.get("src", a.get("href")) for _, a in page.of("script", "link", "iframe")]
    assert set(loaded) <= {None, "data:,"}  # its script stands in it


def words(text):
    """What a reader sees of HTML, in one line."""
    plain = re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]+>", " ", text, flags=re.DOTALL)
    return re.sub(r" +([.,:;])", r"\1", " ".join(html.unescape(plain).split()))


def head(text):
    return words(text[: text.index("<main")])


def test_it_begins_in_words_with_what_was_run_what_held_and_what_did_not(results):
    said = head((results / "index.html").read_text(encoding="utf-8"))
    assert "Preset smoke made 2 certificate tables. Data: digits, scikit-learn's" in said
    assert "The papers use CIFAR-10 and ImageNet, which were not run." in said
    judged, held = map(
        int, re.search(r"(\d+) claims? of the papers can .* (\d+) w\w+ reproduced", said).groups()
    )
    rows = ledger(results)
    verdicts = Counter(row.finding.verdict for row in rows)
    assert int(held) == verdicts[REPRODUCED]
    assert int(judged) == verdicts[REPRODUCED] + verdicts[NOT_REPRODUCED]
    for row in rows:
        if row.finding.verdict == NOT_REPRODUCED:
            assert row.claim.claim in said
    assert "Of 2 promises that the certificates make, 1 is proved exactly" in said
    assert "soundness for it: a ball <keeps> its class (ISS printed)" in said
    assert "although this project" not in said  # no alarm: nobody here called it sound


def test_an_alarm_is_a_break_of_what_this_project_calls_sound(results, tmp_path):
    shutil.copytree(results, tmp_path / "smoke")
    lost = Verdict("our ball", "digits", BROKEN, "x2", ours=True, witness="w/1.npz")
    write_verdicts(tmp_path / "smoke" / "audits" / "b.json", "test", [lost], {})
    (tmp_path / "smoke" / "audits" / "w").mkdir()
    (tmp_path / "smoke" / "audits" / "w" / "1.npz").touch()
    text = page_of(tmp_path / "smoke").html()
    assert '<div class="alarm">' not in (results / "index.html").read_text(encoding="utf-8")
    assert '<div class="alarm">' in text
    assert "Broken, although this project claims soundness: our ball (ours)" in head(text)
    assert '<a href="audits/w/1.npz">Witness</a>' in text


def test_sections_open_and_every_claim_and_verdict_stands_in_its_own(results):
    text = (results / "index.html").read_text(encoding="utf-8")
    page = Reader(text)
    sections = [a for t, a in page.of("details") if a.get("class") == "section"]
    assert len(sections) == len(SECTIONS) + 1  # and what made it
    assert not any("open" in attrs for attrs in sections)
    for row in ledger(results):
        assert f'id="{row.anchor}"' in text
    assert "failure at most alpha (ours)" in text
    assert '<span class="ours">ours</span>' in text
    assert "audits/deep/a.json" in text
    assert "Full report: Gaussian smoothing" in text


def test_a_table_says_once_what_is_the_same_in_every_row(results):
    text = (results / "tables" / "cohen_table.html").read_text(encoding="utf-8")
    said, _, table = text.partition("<table>")
    assert "In every row: data digits, architecture tiny_cnn" in words(said)
    assert "tiny_cnn" not in table
    assert "<small>[" in table


def test_a_picture_opens_by_itself(results):
    page = Reader((results / "index.html").read_text(encoding="utf-8"))
    sources = [attrs["src"] for _, attrs in page.of("img")]
    assert set(sources) <= {attrs["href"] for _, attrs in page.of("a")}


def test_provenance_is_what_the_records_say(results):
    text = (results / "index.html").read_text(encoding="utf-8")
    assert re.search(
        r'<th scope="row" role="rowheader">seed</th>\s*<td role="cell">7 \(2\)</td>', text
    )
    assert "3.12 (2)" in text


def test_the_data_line_names_data_that_no_certificate_has(results, tmp_path):
    shutil.copytree(results, tmp_path / "smoke")
    path = tmp_path / "smoke" / "numbers" / "other.csv"
    text = (results / "numbers" / "cohen_table.csv").read_text(encoding="utf-8")
    path.write_text(text.replace("digits", "cifar10-jpeg"), encoding="utf-8")
    page = page_of(tmp_path / "smoke")
    assert page.datasets == ["digits", "cifar10-jpeg"]
    assert "a lossy JPEG copy of CIFAR-10 (not CIFAR-10)" in head(page.html())


def test_what_needs_published_certificates_that_are_not_there_is_said_to_be_left_out(
    results, tmp_path
):
    said = "Left out, because the authors&#39; published certificates"
    text = page_of(results).html().replace("authors' published", "authors&#39; published")
    assert text.count(said) == 4  # in the sections of Cohen, DDRS, ISS and Zhang
    assert "Samples that sound budgets would save on published models" in text
    folder = tmp_path / "smoke"
    shutil.copytree(results, folder)
    for output in (o for section in SECTIONS for o in section.outputs):
        if any(need.kind == "published" for need in output.needs):
            ending = "html" if output.kind == "table" else "png"
            shutil.copy(
                next((folder / f"{output.kind}s").glob(f"*.{ending}")),
                folder / f"{output.kind}s" / f"{output.name}.{ending}",
            )
    assert "Left out" not in page_of(folder).html()


def test_every_number_of_the_run_stands_beside_the_page(results):
    lines = (results / "results.csv").read_text(encoding="utf-8").splitlines()
    numbers = read_results(results)
    assert len(lines) == 1 + len(numbers)
    assert set(numbers.output) == {"cohen_table", "cohen_figure"}


def test_the_snippet_of_the_results_folder_runs(results, monkeypatch, capsys):
    readme = Path(__file__).parent.parent / "results" / "README.md"
    (snippet,) = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(results.parent.parent)
    exec(snippet, {})
    assert capsys.readouterr().out.count("digits") == 4


def test_an_empty_folder_says_what_to_run(tmp_path):
    text = page_of(tmp_path).html()
    assert "<code>snakemake audits</code>" in text
    assert "no data yet" in text
    assert "<code>snakemake ddrs</code>" in text


def test_files_that_are_none_of_theirs_are_one_line(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "cohen_figure.png").write_bytes(b"no picture")
    with pytest.raises(SmoothcertError, match=r"cohen_figure\.png: not a PNG"):
        page_of(tmp_path).html()
    with pytest.raises(SmoothcertError, match="absent: not a results folder"):
        page_of(tmp_path / "absent").html()


def test_a_run_is_shipped_with_what_its_page_shows_and_no_dead_link(results, tmp_path):
    out = tmp_path / "docs"
    (out / "tables").mkdir(parents=True)
    (out / "tables" / "old.csv").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(SmoothcertError, match="no tables or no index"):
        ship(page_of(tmp_path / "empty"), out, "")
    assert (out / "tables" / "old.csv").exists()  # nothing is lost for nothing
    assert main(["ship", str(results), "--out", str(out)]) == 0
    shipped = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert shipped == {
        "README.md",
        "index.html",
        "votes.tar.xz",
        "tables/claims.csv",
        "tables/claims.md",
        "tables/claims_by_data.csv",
        "tables/promises.csv",
        "tables/cohen_table.csv",
        "tables/cohen_table.md",
        "figures/cohen_figure.png",
        "figures/audit_memory.png",
    }  # no heat map: nothing is comparable
    page = Reader((out / "index.html").read_text(encoding="utf-8"))
    links = [attrs["href"] for _, attrs in page.of("a") if not attrs["href"].startswith("#")]
    pictures = [attrs["src"] for _, attrs in page.of("img")]
    assert set(pictures) <= shipped
    assert set(links) <= shipped
    assert "report on" not in (out / "index.html").read_text(encoding="utf-8")
    assert "snakemake --config preset=smoke" in (out / "README.md").read_text(encoding="utf-8")
    with Image.open(out / "figures" / "cohen_figure.png") as picture:
        assert picture.mode == "P"  # of 256 colours


def test_a_table_at_the_papers_own_setting_shows_its_differences(tmp_path):
    paper = {"dataset": "cifar10", "arch": "resnet18", "sigmas": (0.12, 0.25), "n": 100_000}
    paths = certificates(tmp_path, inputs=40, **paper)
    out, numbers = tmp_path / "tables" / "cohen_table", tmp_path / "numbers" / "cohen_table.csv"
    assert main(["table", "cohen_table", "--out", str(out), "--numbers", str(numbers), *paths]) == 0
    heat_map = tmp_path / "differences" / "cohen_table"
    assert main(["overview", "compare", str(numbers), "--out", str(heat_map)]) == 0
    page = page_of(tmp_path)
    assert page.pictures() == ["differences/cohen_table.png"]
    (image,) = Reader(page.html()).of("img")
    assert re.search(r"Ours minus the paper's\. .*; \d+ of \d+ comparable", image[1]["alt"])


def test_a_notebook_shows_what_the_page_shows(results):
    page = (results / "index.html").read_text(encoding="utf-8")
    assert show.table(results, "cohen_table").text in page
    figure = show.figure(results, "cohen_figure")._repr_html_()
    assert 'alt="Certified accuracy against the ℓ₂ radius' in figure  # kept in the file itself
    assert 'src="data:image/png;base64,' in figure
    assert len(show.numbers(results, "cohen_table").query("metric == 'acr'")) == 4
    assert "a ball &lt;keeps&gt; its class (ISS printed)" in show.audits(results).text
    assert "a ball" not in show.audits(results, "shallow").text
    assert "Claims of DDRS" in show.claims(results, "ddrs").text
    assert "Claims of ISS" not in show.claims(results, "ddrs").text
    with pytest.raises(SmoothcertError, match=r"absent\.html: does not exist"):
        show.table(results, "absent")


def test_no_two_tables_have_one_title():
    titles = [o.title for s in SECTIONS for o in s.outputs if o.kind == "table"]
    assert len(set(titles)) == len(titles)


def luminance(colour):
    parts = colour.lstrip("#")
    parts = "".join(2 * c for c in parts) if len(parts) == 3 else parts
    rgb = [int(parts[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_every_text_has_a_contrast_of_4_5():
    css = (resources.files("smoothcert.report") / "templates" / "page.css").read_text("utf-8")
    for block in re.findall(r":root \{([^}]+)\}", css):
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]+)", block))
        assert {"ink", "paper", "soft", "link", "good", "bad", "faint"} <= colours.keys()
        for ground in ("paper", "soft"):
            for name in ("ink", "link", "good", "bad", "faint"):
                low, high = sorted(luminance(colours[c]) for c in (name, ground))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (block, name, ground)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")
@pytest.mark.parametrize("width", [390, 1400])
def test_a_browser_shows_it_whole(results, tmp_path, width):
    """No error in the console, no missing picture, and the page itself never scrolls sideways."""
    script = """<script>addEventListener("load", () => {
      document.querySelectorAll("details").forEach((d) => (d.open = true));
      const page = document.documentElement, pictures = [...document.images];
      const wide = [...document.querySelectorAll(".wide")]
        .filter((d) => d.scrollWidth > d.clientWidth);
      const missing = pictures.filter((i) => !i.naturalWidth);
      parent.document.documentElement.dataset.seen = [innerWidth, page.clientWidth,
        page.scrollWidth, pictures.length, missing.length, wide.length].join(" ");
    });</script></body>"""
    text = (results / "index.html").read_text(encoding="utf-8").replace("</body>", script)
    text = text.replace('loading="lazy"', "")
    text = text.replace("<head>", f'<head><base href="{results.as_uri()}/">')
    # In a frame: a window of its own is never narrower than 500 pixels.
    path = tmp_path / "frame.html"
    path.write_text(
        f'<link rel="icon" href="data:,"><iframe width="{width}" height="2000" style="border: 0"'
        f' srcdoc="{html.escape(text)}"></iframe>',
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
            "--enable-logging=stderr", "--v=0", f"--user-data-dir={tmp_path}",
            "--window-size=1400,2200", path.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert console == []
    seen = re.search(r'data-seen="(\d+) (\d+) (\d+) (\d+) (\d+) (\d+)"', done.stdout)
    assert seen
    inner, shown, scrolled, pictures, missing, wide = map(int, seen.groups())
    assert inner == width
    assert scrolled <= shown
    assert pictures > 0
    assert missing == 0
    assert width < 1400 or wide == 0  # every column of results is in sight
