"""Why a report has its labels: for a terminal, for machines, and as a page."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

import kerley
from text_labeler.command_error import CommandError
from text_labeler.explain import Explainer, ExplanationError
from text_labeler.explain_page import make_page

REPORT = """\
INDICATION: Evaluate for pneumonia.

FINDINGS: Mild interstitial pulmonary edema has worsened. A small left pleural effusion
cannot be excluded. No pneumothorax or consolidation.

IMPRESSION: Worsening edema.

ADDENDUM: There is a tiny right pneumothorax.
"""


@pytest.fixture(scope="module")
def explainer():
    return Explainer()


@pytest.fixture(scope="module")
def explanation(explainer):
    return explainer(REPORT)


def _run(*arguments, given=None):
    result = CliRunner().invoke(
        kerley.app, ["explain-report", *map(str, arguments)], input=given, env={"NO_COLOR": "1"}
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def _reasons(explanation, finding):
    return next(label.reasons for label in explanation.labels if label.finding == finding)


def test_a_reason_has_words_cue_scope_and_details(explanation):
    (reason,) = _reasons(explanation, "Pleural Effusion")
    assert (reason.words, reason.cue) == ("pleural effusion", "cannot be excluded")
    assert reason.details == ("left",)
    start, end = reason.scope
    assert REPORT[start:end] == "pleural effusion\ncannot be excluded"


def test_what_another_mention_decided_is_marked(explanation):
    denied, affirmed = _reasons(explanation, "Pneumothorax")
    assert (denied.kind, denied.is_overruled) == ("negative", True)
    assert (affirmed.kind, affirmed.is_overruled) == ("positive", False)


def test_the_severity_has_probabilities_and_the_change(explanation):
    severity = explanation.severity
    assert (severity.level, severity.name, severity.change) == (2, "interstitial edema", "worse")
    assert sum(severity.probabilities) == pytest.approx(1)


def test_sections_cover_the_report_and_say_whether_they_count(explanation):
    sections = explanation.sections
    assert [(one.name, one.counts) for one in sections] == [
        ("indication", False),
        ("findings", True),
        ("impression", True),
        ("addendum", True),
    ]
    assert "".join(REPORT[one.start : one.end] for one in sections) == REPORT
    assert REPORT[sections[1].start : sections[1].heading_end] == "FINDINGS:"


def test_no_finding_says_why_without_words(explainer):
    (label,) = explainer("Unremarkable.").labels
    assert (label.finding, label.says) == ("No Finding", "positive")
    assert label.reasons or "no finding that counts" in label.note


@pytest.mark.parametrize("name", ["edema", "Severity"])
def test_one_finding_alone(explanation, name):
    kept = explanation.only(name)
    assert {reason.evidence.finding for reason in kept.reasons} <= {"Edema", "Edema Severity"}
    assert kept.reasons
    assert kept.not_mentioned == ()


def test_an_unknown_finding_is_refused(explanation):
    with pytest.raises(ExplanationError, match=r"'gout': no such finding\. Known: severity, "):
        explanation.only("gout")


def test_the_terminal_shows_words_in_their_report_and_what_gave_each_label(tmp_path):
    file = tmp_path / "report.txt"
    file.write_bytes(REPORT.replace("\n", "\r\n").encode() + b"\xff")
    shown = _run(file).output
    assert "«interstitial pulmonary edema»[1] has worsened" in shown
    assert "Severity of pulmonary edema: 2, interstitial edema; against the prior" in shown
    assert "cannot be excluded" in shown.split("Pleural Effusion: uncertain 0.30")[1]
    assert "indication 0-39" in shown
    assert "Not mentioned: No Finding, " in shown


@pytest.mark.parametrize("text", ["edema\x1b[2J\u202e\x07", "[bold]edema[/bold]"])
def test_the_terminal_is_not_steered_by_a_report(text):
    shown = _run("--text", text).output
    assert not {"\x1b", "\u202e", "\x07"} & set(shown)
    assert "[bold]" in shown or "\ufffd[2J" in shown


def test_json_holds_every_label(explanation):
    record = json.loads(_run("-", "--json", given=REPORT).output)
    assert record == json.loads(json.dumps(explanation.to_record()))
    effusion = record["labels"]["Pleural Effusion"]
    assert (effusion["code"], effusion["evidence"][0]["cue"]) == (-1, "cannot be excluded")
    assert record["labels"]["Fracture"] is None
    assert record["severity"]["change"] == "worse"


def test_one_finding_under_a_profile_and_own_rules(tmp_path):
    (tmp_path / "findings.yaml").write_text("concepts: {pulmonary_edema: {phrases: [soggy lungs]}}")
    arguments = ("--text", "Soggy lungs. No effusion.", "--profile", "severity")
    shown = _run(*arguments, "--rules", tmp_path, "--finding", "Edema").output
    assert "«Soggy lungs»[1]. No effusion." in shown
    assert "Edema: positive" in shown
    assert "Pleural Effusion" not in shown


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ([], CommandError, "give either"),
        (["r.txt", "--text", "No edema."], CommandError, "give either"),
        (["missing.txt"], CommandError, "^missing.txt: cannot be read"),
        (["No edema in a report."], CommandError, "^FILE: cannot be read"),
        (["--text", "x", "--finding", "gout"], ExplanationError, "'gout'"),
    ],
)
def test_mistakes_are_named(arguments, error, said):
    with pytest.raises(error, match=said):
        _run(*arguments)


class _Reader(HTMLParser):
    """Collects elements by their name, and the text inside `<div class="text">`."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.report, self._open = [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag not in {"meta"}:
            self._open.append((tag, dict(attrs)))
        self.elements.append((tag, dict(attrs)))
        if tag == "div":
            self.report += "\n"

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        shown = ("div", {"class": "text"}) in self._open
        if shown and not any(tag == "a" for tag, _ in self._open):
            self.report += data


def test_the_page_shows_the_report_with_its_marks(explanation):
    page = _Reader(make_page(explanation))
    assert page.report.split() == REPORT.split()
    classes = [attrs.get("class", "") for _, attrs in page.elements]
    assert any("mention mention-uncertain" in one for one in classes)
    assert any("cue cue-negative" in one for one in classes)
    assert any(one.startswith("scope scope-negative") for one in classes)
    assert classes.count("band silent") == 1
    ids = {attrs["id"] for _, attrs in page.elements if "id" in attrs}
    links = {attrs["href"].removeprefix("#") for _, attrs in page.elements if "href" in attrs}
    assert links <= ids


def test_the_page_is_one_file_that_loads_nothing(explanation):
    page = make_page(explanation)
    tags = {tag for tag, _ in _Reader(page).elements}
    assert not tags & {"script", "link", "img", "iframe"}
    assert "://" not in page
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", '"><img src=x>', "</style></div>", "\ud800\0\x1b", "{{ 7*7 }}"],
)
def test_the_page_escapes_everything(explainer, hostile):
    report = f"{hostile} edema {hostile}\r\nIMPRESSION: no {hostile} effusion"
    page = make_page(explainer(report))
    page.encode()
    reader = _Reader(page)
    assert not {tag for tag, _ in reader.elements} & {"script", "img"}
    assert "\0" not in page
    shown = hostile.replace("\ud800", "?").replace("\0", "\ufffd").replace("\x1b", "\ufffd")
    assert reader.report.count(shown) == 3


@pytest.mark.parametrize("report", ["", "\n", "Nothing of note in the toe.", "INDICATION: edema?"])
def test_a_report_that_says_nothing_has_a_page(explainer, report):
    assert _Reader(make_page(explainer(report))).report.split() == report.split()


def test_the_command_writes_the_page(tmp_path):
    page = tmp_path / "why.html"
    _run("--text", "No <pulmonary> edema.", "--html", page)
    assert "&lt;pulmonary&gt;" in page.read_text("utf-8")


def test_a_browser_shows_the_page_without_a_fault(explanation, browser_page, tmp_path):
    (tmp_path / "why.html").write_text(make_page(explanation), encoding="utf-8")
    browser_page.goto((tmp_path / "why.html").as_uri())
    for width in (1280, 390):
        browser_page.set_viewport_size({"width": width, "height": 800})
        assert browser_page.evaluate("document.documentElement.scrollWidth") == width
    shown = browser_page.inner_text(".report")
    assert "cannot be excluded" in shown
