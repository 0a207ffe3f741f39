"""The report is one file that a browser shows whole, and says what its content says."""

import base64
import dataclasses
import re

import numpy as np
import pytest
from markupsafe import Markup

from joint.html_report import find_best, format_cell, lay_out, write_html_report, write_readme
from joint.report_content import (
    Command,
    Highlight,
    LabeledReport,
    ReportContent,
    ReportError,
    ReportFigure,
    ResultTable,
    report_figure,
)
from vision.figures import confusion_matrices, roc_per_threshold
from vision.finding_metrics import finding_metrics
from vision.image_strip import GradedImage, describe_strip, image_strip
from vision.intervals import Interval, paired_differences, severity_intervals
from vision.metrics import confusion, predict_levels

HOSTILE = "<script>alert('x')</script>|`a`"
SECTIONS = (
    *("summary", "corpus", "labels", "training", "results", "calibration", "images"),
    *("run", "limits"),
)


def make_arms(images=80):
    generator = np.random.default_rng(0)
    levels = np.arange(images) % 4
    noise = generator.dirichlet(np.ones(4), (3, images))
    strengths = {"joint": 0.5, "image-only": 0.3, "shuffled pairs": 0.35}
    arms = {
        arm: (1 - strength) * noise[number] + strength * np.eye(4)[levels]
        for number, (arm, strength) in enumerate(strengths.items())
    }
    return arms, levels, [f"patient-{i // 2}" for i in range(images)]


def make_figures(arms, levels):
    pixels = np.linspace(0, 1, 4096).reshape(64, 64)
    strip = [GradedImage(pixels, arms["joint"][i], int(levels[i]), pixels) for i in range(6)]
    matrices = {arm: confusion(levels, predict_levels(p)) for arm, p in arms.items()}
    return (
        report_figure(
            "confusion_matrices",
            confusion_matrices(matrices),
            caption="Against the true grade.",
            alt="Three confusion matrices.",
        ),
        report_figure(
            "roc_per_threshold",
            roc_per_threshold(arms, levels),
            caption="Against the true grade.",
            alt="Three ROC panels.",
        ),
        report_figure(
            "image_strip",
            image_strip(strip),
            caption="The first six test images.",
            alt=describe_strip(strip),
        ),
    )


def make_sample():
    words = Markup(
        'FINDINGS: No <mark class="negative">pneumothorax</mark>. Heart size &lt; last time.\n'
        'IMPRESSION: Mild <mark class="positive">interstitial edema</mark>;'
        ' <mark class="uncertain">small effusion</mark> not excluded. '
    )
    return (
        LabeledReport("phantom-s0001", words * 4, 2, (0.05, 0.15, 0.7, 0.1), 1, 2),
        LabeledReport("a" * 200, words, None, None, 0),
    )


@pytest.fixture(scope="module")
def content():
    arms, levels, patients = make_arms()
    intervals = {
        arm: severity_intervals(p, levels, patients, seed=0, resamples=50)
        for arm, p in arms.items()
    }
    gains = {
        f"joint − {arm}": paired_differences(
            arms["joint"], arms[arm], levels, patients, seed=0, resamples=50
        )
        for arm in ("image-only", "shuffled pairs")
    }
    findings = finding_metrics(arms["joint"][:, :1], (levels[:, None] == 0), ["No Finding"])
    return ReportContent(
        title="Grading edema on phantom X-rays",
        summary=("The joint model grades images it has never seen.", "Run `make demo` again."),
        highlights=(Highlight("0.912", "AUC, any edema", "joint"), Highlight("+0.041", "gain")),
        corpus_facts={"Studies": 2400, "Image size": "128 × 128 px", "Share": 0.5},
        label_sample=make_sample(),
        label_worth=(ResultTable("Mined findings", findings, row_heading="Finding", kind="plain"),),
        results=(ResultTable("Against the true grade", intervals, note="Same budget."),),
        differences=(ResultTable("Gains", gains, kind="differences"),),
        figures=make_figures(arms, levels),
        run_facts={"Settings": "9f2c" * 16, "Seconds": 372},
        commands=(Command("make demo " + "data.root=runs/demo/corpus " * 9, "all of `runs/`"),),
        files={"grader/": "for `kerley grade`"},
    )


@pytest.fixture(scope="module")
def page_file(content, tmp_path_factory):
    file = tmp_path_factory.mktemp("report") / "report.html"
    write_html_report(file, content)
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 800, 360])
def test_a_browser_shows_it_whole_at_any_width(browser_page, page_file, scheme, width):
    browser_page.set_viewport_size({"width": width, "height": 900})
    browser_page.emulate_media(color_scheme=scheme)
    browser_page.goto(page_file.as_uri())
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= width
    loaded = browser_page.eval_on_selector_all("img", "all => all.map(i => i.naturalWidth)")
    assert len(loaded) == 3
    assert min(loaded) > 500


def test_every_section_is_there_and_every_link_leads_to_one(browser_page, page_file):
    browser_page.goto(page_file.as_uri())
    found = browser_page.eval_on_selector_all("section", "all => all.map(s => s.id)")
    assert tuple(found) == SECTIONS
    links = browser_page.eval_on_selector_all(
        "nav a", "all => all.map(a => a.getAttribute('href').slice(1))"
    )
    assert tuple(links) == SECTIONS
    assert browser_page.locator("text=Not for clinical use").count() >= 1
    assert browser_page.locator("text=phantom: a program drew").count() == 1


def test_tables_figures_and_evidence_can_be_read_without_seeing(browser_page, page_file):
    browser_page.goto(page_file.as_uri())
    for part in ("img:not([alt])", "table:not(:has(caption))", "th:not([scope])"):
        assert browser_page.locator(part).count() == 0, part
    assert browser_page.locator("figure .reading").count() == 3
    assert browser_page.locator("article mark").count() == 15


CONTRAST = """() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const luminance = c => parse(c).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor; if ((parse(c)[3] ?? 1) > 0) return c; } };
  const low = new Set();
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own) continue;
    const [a, b] = [luminance(getComputedStyle(e).color), luminance(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.add(`${e.tagName}.${e.className} ${ratio.toFixed(2)}`);
  }
  return [...low];
}"""


@pytest.mark.parametrize("media", [("screen", "light"), ("screen", "dark"), ("print", "dark")])
def test_all_text_stands_out_from_its_ground(browser_page, page_file, media):
    browser_page.emulate_media(media=media[0], color_scheme=media[1])
    browser_page.goto(page_file.as_uri())
    assert browser_page.evaluate(CONTRAST) == []
    ground = browser_page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(18, 23, 28)") == (media == ("screen", "dark"))


def test_content_cannot_become_markup(browser_page, content, tmp_path):
    table = ResultTable(HOSTILE, {HOSTILE: {HOSTILE: HOSTILE}}, note=HOSTILE)
    hostile = dataclasses.replace(
        content,
        title=HOSTILE,
        summary=(HOSTILE,),
        corpus_facts={HOSTILE: HOSTILE},
        label_sample=(LabeledReport(HOSTILE, Markup("words"), 0, None, 0),),
        results=(table,),
        commands=(Command(HOSTILE, HOSTILE),),
    )
    write_html_report(tmp_path / "report.html", hostile)
    browser_page.goto((tmp_path / "report.html").as_uri())
    assert browser_page.locator("script").count() == 0
    assert browser_page.title() == HOSTILE
    assert browser_page.locator("main > section p >> nth=0").text_content() == HOSTILE.replace(
        "`", ""
    )
    write_readme(tmp_path / "README.md", hostile)
    row = next(line for line in (tmp_path / "README.md").read_text().splitlines() if "\\|" in line)
    assert "<script>" not in row


def test_readme_has_the_same_numbers_and_no_report_text(content, page_file, tmp_path):
    write_readme(tmp_path / "README.md", content)
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    page = page_file.read_text(encoding="utf-8")
    joint = content.results[0].rows["joint"]["auc_0v123"]
    number, _, spread = format_cell(joint).partition(" ")
    assert f"| AUC 0v123 ↑ | **{number}** {spread} |" in readme
    assert re.search(f"{re.escape(number)}</span> <span[^>]*>{re.escape(spread)}<", page)
    assert "Not for clinical use" in readme
    assert "On 80 images of 40 patients." in readme
    assert "pneumothorax" in page
    assert "pneumothorax" not in readme
    tables = [line for line in readme.splitlines() if line.startswith("|---")]
    assert len(tables) == 6


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (Interval(0.9124, 0.8841, 0.9379, 600, 300), "0.912 [0.884, 0.938]"),
        (0.5, "0.500"),
        (-0.25, "−0.250"),
        (-0.0001, "0.000"),
        (6000, "6,000"),
        (np.float64(0.25), "0.250"),
        ("12 s", "12 s"),
        (None, "–"),
    ],
)
def test_cells_are_shown_to_three_places(cell, shown):
    assert format_cell(cell) == shown


@pytest.mark.parametrize(("value", "shown"), [(0.04, "+0.040"), (0.0, "0.000"), (-0.04, "−0.040")])
def test_differences_show_their_sign(value, shown):
    assert format_cell(value, signed=True) == shown


def test_the_best_of_a_metric_is_bold_in_its_direction_with_ties():
    rows = {
        "joint": {"accuracy": 0.70001, "ece": 0.10, "n": 9, "brier": 0.1},
        "control": {"accuracy": 0.70002, "ece": 0.05, "n": 8, "brier": None},
    }
    best = {("joint", "accuracy"), ("control", "accuracy"), ("control", "ece")}
    assert find_best(ResultTable("t", rows)) == best
    assert find_best(ResultTable("t", rows, kind="plain")) == set()


def test_differences_are_bold_where_the_interval_leaves_zero_out():
    rows = {
        "gain": {
            "accuracy": Interval(0.1, 0.02, 0.2, 9, 3),
            "macro_f1": Interval(0.1, -0.02, 0.2, 9, 3),
            "ece": Interval(-0.1, -0.2, -0.01, 9, 3),
            "brier": Interval(-0.1, -0.2, -0.0001, 9, 3),
        }
    }
    table = ResultTable("t", rows, kind="differences")
    assert find_best(table) == {("gain", "accuracy"), ("gain", "ece")}


def test_a_table_of_many_metrics_is_turned():
    many = ResultTable("t", {"joint": dict.fromkeys("abcdef", 0.5)})
    few = ResultTable("t", {"joint": dict.fromkeys("abc", 0.5)}, row_heading="Arm")
    assert (lay_out(many).heads, len(lay_out(many).lines)) == (("joint",), 6)
    assert (lay_out(few).corner, lay_out(few).heads, len(lay_out(few).lines)) == (
        "Arm",
        ("a", "b", "c"),
        1,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data_uri": "https://example.org/roc.png"}, "expected its image as a data: URI"),
        ({"alt": " "}, "no alternative text"),
    ],
)
def test_figures_that_would_not_show_are_refused(content, tmp_path, change, message):
    pixel = "data:image/png;base64," + base64.b64encode(b"x").decode()
    figure = ReportFigure("results", "ROC", "caption", "reading", "alt", pixel)
    broken = dataclasses.replace(content, figures=(dataclasses.replace(figure, **change),))
    with pytest.raises(ReportError, match=message):
        write_html_report(tmp_path / "report.html", broken)
    assert not (tmp_path / "report.html").exists()


def test_unescaped_report_text_is_refused_without_repeating_it(content, tmp_path):
    sample = (LabeledReport("s1", "Private words", 0, None, 0),)
    with pytest.raises(ReportError, match="study s1") as error:
        write_html_report(
            tmp_path / "report.html", dataclasses.replace(content, label_sample=sample)
        )
    assert "Private" not in str(error.value)
