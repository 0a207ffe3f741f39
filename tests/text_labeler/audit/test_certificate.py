"""The certificate: every number can be made again from it, and it holds nobody's data."""

import json

import pytest

from tests.text_labeler.audit.planted import VERDICT_OF_CALL
from tests.text_labeler.audit.sampled import LABELS, make_plan, plant_table, read_items
from text_labeler.audit.certificate import (
    make_certificate,
    make_certificate_page,
    read_certificate,
    recompute,
    write_certificate,
)
from text_labeler.audit.estimating import estimate
from text_labeler.audit.planning import draw_items
from text_labeler.audit.promises import parse_promises
from text_labeler.audit.records import AuditError
from text_labeler.audit.rescoring import read_later


@pytest.fixture(scope="module")
def audited():
    table = plant_table()
    plan = make_plan(
        table,
        150,
        150,
        findings=("Edema", "edema_severity"),
        promises=parse_promises("precision >= .9, recall >= .8, accuracy >= .8"),
        salt="CANARY-salt",
        excluded={"study-00004"},
        held={"study-00005"},
    )
    items = draw_items(plan, table)

    def say(item):
        if item.finding == "edema_severity":
            return "not_mentioned" if item.call is None else str(item.call)
        return "unclear" if item.place % 40 == 0 else VERDICT_OF_CALL[item.call]

    reads = read_items(items, say, "CANARY-ann")
    twice = [item for item in items if item.needed > 1]
    reads += read_items(twice, say, "CANARY-bob", start=300)
    return table, plan, items, reads


def certify(audited, **more):
    _, plan, items, reads = audited
    return make_certificate(plan, items, reads, log_head="f" * 64, created="2026-11-21", **more)


def test_every_number_is_made_again_from_the_file_alone(audited, tmp_path):
    files = write_certificate(certify(audited), tmp_path)
    certificate = read_certificate(files.json)
    assert recompute(certificate) == certificate.estimate == certify(audited).estimate
    _, plan, items, reads = audited
    assert certificate.estimate.findings == estimate(plan, items, reads).findings


def test_it_holds_no_text_no_study_no_name_and_no_salt(audited, tmp_path):
    files = write_certificate(certify(audited), tmp_path)
    plan = audited[1]
    for file in files:
        told = file.read_text()
        assert not [name for name in (*plan.excluded, *plan.held) if name in told]
        assert "CANARY" not in told
        assert "study-0" not in told
    assert {one.reader for one in certify(audited).reads} == {"reader 01", "reader 02"}


def test_a_later_version_is_certified_with_its_calls(audited):
    table, plan, _, _ = audited
    later_table = table.assign(Edema=table["Edema"].fillna(0).replace(-1, 1))
    later = read_later(plan, table, later_table, LABELS.model_copy(update={"name": "v2"}))
    certificate = certify(audited, later=later)
    assert certificate.estimate.is_later
    assert len(certificate.later.calls) == len(certificate.items) == 300
    assert recompute(certificate) == certificate.estimate


def change(certificate, name, value):
    told = json.loads(certificate.model_dump_json())
    *parents, last = name
    inner = told
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    return json.dumps(told)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (("reads", 3, "verdict"), "unclear", "not those that its reads give"),
        (("estimate", "findings", 0, "read"), 151, "not those that its reads give"),
        (("items", 0, "stratum"), "pos_hedged", "not the sampling list"),
        (("version",), "one", "not a certificate"),
    ],
)
def test_a_changed_certificate_is_found_out(audited, tmp_path, name, value, words):
    file = tmp_path / "certificate.json"
    file.write_text(change(certify(audited), name, value))
    with pytest.raises(AuditError, match=words):
        read_certificate(file)


def test_the_page_shows_the_numbers_and_runs_nothing(audited, browser_page, tmp_path):
    certificate = certify(audited)
    files = write_certificate(certificate, tmp_path)
    browser_page.goto(files.html.as_uri())
    told = browser_page.inner_text("main")
    precision = certificate.estimate.findings[0].find("precision")
    assert f"{precision.value:.3f}" in told
    assert f"{precision.lower:.3f}–{precision.upper:.3f}" in told
    for name in (certificate.plan_hash, certificate.log_head, certificate.plan.sampling_hash):
        assert name in told
    assert "reader 02" in told
    assert browser_page.locator("script").count() == 0
    browser_page.set_viewport_size({"width": 390, "height": 800})
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= 390


def test_names_in_the_page_are_shown_as_they_are(audited):
    certificate = certify(audited)
    labels = certificate.estimate.labels.model_copy(update={"name": "<img onerror=x>"})
    found = certificate.estimate.model_copy(update={"labels": labels})
    page = make_certificate_page(certificate.model_copy(update={"estimate": found}))
    assert "<img" not in page
    assert "&lt;img onerror=x&gt;" in page
