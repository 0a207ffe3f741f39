"""Label tables tell what they were made from: the walk back, what has changed, and bad input."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from configs.files import hash_json
from data_cards.findings import FINDINGS
from data_cards.label_table import (
    LabelTableManifest,
    manifest_path,
    read_manifest,
    write_label_table,
    write_manifest,
)
from data_cards.lineage import (
    LineageError,
    LineageNode,
    Parent,
    describe_listing,
    describe_parent,
    relative_path,
)
from data_cards.lineage_tables import (
    AS_IT_WAS,
    BROKEN_MANIFEST,
    CHANGED,
    NO_MANIFEST,
    NOT_FOUND,
    OTHER_MANIFEST,
    Trace,
    find_change,
    plain_parameters,
    trace_table,
    trace_transition,
)
from data_cards.report_table.reader import USUAL_COLUMNS, ReportColumns, read_report_table
from data_cards.transition import ConsensusSource
from data_cards.transition_estimate import named_transition
from data_cards.transition_priors import TRANSITION_PRIORS

CORPUS_HASH, RULES_HASH = hash_json("corpus"), hash_json("rules")


def write_table(path, *, severity=1, parents=(), **changes):
    """Write a label table of one study with its manifest; return the table's hash."""
    row = {"study_id": "s1", **dict.fromkeys(FINDINGS), "edema_severity": severity, "evidence": []}
    path.parent.mkdir(parents=True, exist_ok=True)
    table_hash = write_label_table(path, [row])
    values = {
        "labeler": "kerley",
        "labeler_version": "1.2.3",
        "profile": "chexpert",
        "rules_hash": RULES_HASH,
        "corpus": "tiny",
        "corpus_hash": CORPUS_HASH,
        "table_hash": table_hash,
        "studies": 1,
        "counts": {},
        "skipped": [],
        "seconds": 0.1,
        "created": "2026-11-21T10:00:00+00:00",
        "parents": list(parents),
    }
    write_manifest(path, LabelTableManifest(**values | changes))
    return table_hash


def write_combined(folder):
    """Write two tables in one folder, audited reads, and their combination in another."""
    sources = [folder / "mined" / f"{name}.parquet" for name in ("rules", "paper")]
    for severity, source in enumerate(sources):
        write_table(source, severity=severity)
    reads = folder / "reads.csv"
    reads.write_text("study_id,edema_severity\ns1,2\n", encoding="utf-8")
    out = folder / "made" / "combined.parquet"
    parents = [describe_parent("label table", source, out) for source in sources]
    parents.append(describe_parent("audited reads", reads, out))
    parameters = {"audited": {"edema_severity": 7}, "prior": [0.5, 0.5], "settings": {"seed": 3}}
    table_hash = write_table(
        out, severity=2, parents=parents, labeler="combined", parameters=parameters
    )
    return out, table_hash


def trace_nodes(table, table_hash):
    trace = Trace()
    trace_table(trace, table, table_hash)
    return trace, {node.name: node for node in trace.lineage().nodes}


def test_a_combined_table_is_followed_to_the_corpus_and_the_rules(tmp_path):
    out, table_hash = write_combined(tmp_path)
    trace, nodes = trace_nodes(out, table_hash)
    assert [(node.kind, node.name) for node in trace.nodes.values()] == [
        ("corpus listing", "tiny"),
        ("rules", "kerley"),
        ("label table", "rules.parquet"),
        ("label table", "paper.parquet"),
        ("audited reads", "reads.csv"),
        ("label table", "combined.parquet"),
    ]
    combined = nodes["combined.parquet"]
    assert combined.parents == tuple(
        nodes[name].hash for name in ("rules.parquet", "paper.parquet", "reads.csv")
    )
    assert nodes["reads.csv"].counts == {"reads used": 7}
    assert combined.parameters == {"audited.edema_severity": 7, "settings.seed": 3}
    assert combined.facts["parameters"] == hash_json(read_manifest(out).parameters)


def test_the_tables_are_found_again_when_their_folder_has_moved(tmp_path):
    _, table_hash = write_combined(tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")
    trace, _ = trace_nodes(tmp_path / "after" / "made" / "combined.parquet", table_hash)
    found = [find_change(trace.nodes[one], place) for one, place in trace.places.items()]
    assert found == [AS_IT_WAS] * 4


def test_one_changed_byte_of_a_parent_is_found(tmp_path):
    out, table_hash = write_combined(tmp_path)
    reads = tmp_path / "reads.csv"
    reads.write_text(reads.read_text(encoding="utf-8").replace("2", "3"), encoding="utf-8")
    trace, nodes = trace_nodes(out, table_hash)
    assert find_change(nodes["reads.csv"], trace.places[nodes["reads.csv"].hash]) == CHANGED
    reads.unlink()
    assert find_change(nodes["reads.csv"], reads) == NOT_FOUND


def test_a_table_made_anew_since_is_not_taken_for_the_parent(tmp_path):
    out, table_hash = write_combined(tmp_path)
    source = tmp_path / "mined" / "rules.parquet"
    write_table(source, severity=3)
    trace, nodes = trace_nodes(out, table_hash)
    assert nodes["rules.parquet"].facts == {"note": OTHER_MANIFEST}
    assert find_change(nodes["rules.parquet"], source) == CHANGED
    assert trace.nodes[CORPUS_HASH].kind == "corpus listing", "the other parent leads there still"


@pytest.mark.parametrize(
    ("content", "note"), [(None, NO_MANIFEST), ("{", BROKEN_MANIFEST), ("[]", BROKEN_MANIFEST)]
)
def test_a_manifest_that_is_missing_or_broken_is_noted(tmp_path, content, note):
    table = tmp_path / "labels.parquet"
    table_hash = write_table(table)
    if content is None:
        manifest_path(table).unlink()
    else:
        manifest_path(table).write_text(content, encoding="utf-8")
    _, nodes = trace_nodes(table, table_hash)
    assert nodes["labels.parquet"].facts == {"note": note}


def test_tables_that_descend_from_themselves_are_refused(tmp_path):
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    hashes = {first: write_table(first, severity=0), second: write_table(second, severity=1)}
    for table, other in ((first, second), (second, first)):
        named = Parent(kind="label table", name=other.name, hash=hashes[other], path=other.name)
        manifest = read_manifest(table).model_copy(update={"parents": [named]})
        write_manifest(table, manifest)
    with pytest.raises(LineageError, match=r"itself: a.parquet ← b.parquet ← a.parquet"):
        trace_nodes(first, hashes[first])


def test_a_manifest_from_before_parents_names_corpus_and_rules(tmp_path):
    table = tmp_path / "labels.parquet"
    table_hash = write_table(table)
    values = read_manifest(table).model_dump(exclude={"parents", "parameters"})
    write_manifest(table, LabelTableManifest(**values))
    assert read_manifest(table).parents == []
    _, nodes = trace_nodes(table, table_hash)
    assert nodes["labels.parquet"].parents == (CORPUS_HASH, RULES_HASH)
    write_manifest(table, LabelTableManifest(**values | {"corpus_hash": "", "rules_hash": ""}))
    assert trace_nodes(table, table_hash)[1]["labels.parquet"].parents == ()


@pytest.mark.parametrize("path", ["/home/anna/labels.parquet", "C:\\labels", "~/labels"])
def test_a_parent_never_holds_an_absolute_path(path):
    with pytest.raises(ValidationError, match="relative to its child's folder"):
        Parent(kind="label table", name="labels", hash=CORPUS_HASH, path=path)


def test_a_path_through_other_homes_or_the_top_of_the_disk_is_left_out(monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: Path("/home/anna"))
    child = Path("/home/anna/labels/combined.parquet")
    for parent, told in {
        "/home/anna/labels/rules.parquet": "rules.parquet",
        "/home/anna/corpus": "../corpus",
        "/home/berta/labels.parquet": None,
        "/data/patients": None,
    }.items():
        assert relative_path(Path(parent), child) == told


def test_a_parent_that_is_not_there_is_one_clear_message(tmp_path):
    with pytest.raises(LineageError, match=r"reads.csv: no such file.*audited reads"):
        describe_parent("audited reads", tmp_path / "reads.csv", tmp_path / "out.parquet")


def test_a_corpus_that_cannot_be_read_any_more_has_changed(tmp_path):
    node = LineageNode(kind="corpus listing", name="phantom", hash=CORPUS_HASH)
    assert find_change(node, tmp_path) == CHANGED
    assert find_change(node, tmp_path / "none") == NOT_FOUND
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "a.txt").write_text("No edema.", encoding="utf-8")
    assert find_change(node.model_copy(update={"name": "report_folder"}), reports) == CHANGED


def test_matrices_and_remarks_of_a_model_stay_in_its_manifest():
    said = {"rate": 0.5, "kind": "ordinal", "warnings": ["a word"], "note": "two words"}
    assert plain_parameters(said | {"inner": {"on": True, "matrix": [[1]]}}) == {
        "rate": 0.5,
        "kind": "ordinal",
        "inner.on": True,
    }


def test_a_transition_from_consensus_reads_names_them_and_the_labels(tmp_path):
    source = ConsensusSource(
        file="panel.csv",
        sha256=hash_json("reads"),
        labels_file="labels.parquet",
        labels_sha256=hash_json("labels"),
        images=3,
        studies=2,
        patients=None,
        unmatched=0,
        prior="mimic_edema",
        prior_strength=2.0,
        created="2026-11-21T10:00:00+00:00",
    )
    estimated = named_transition(min(TRANSITION_PRIORS)).model_copy(update={"source": source})
    trace = Trace()
    own = trace_transition(trace, estimated, tmp_path / "transition.json")
    assert [(node.kind, node.name) for node in trace.lineage().nodes] == [
        *(("audited reads", "panel.csv"), ("label table", "labels.parquet")),
        ("transition", "transition.json"),
    ]
    assert trace.nodes[own].parents == (hash_json("reads"), hash_json("labels"))
    assert trace.nodes[own].counts == {"images": 3, "studies": 2}


def test_a_named_transition_has_no_parents():
    name = min(TRANSITION_PRIORS)
    trace = Trace()
    own = trace_transition(trace, named_transition(name), None)
    assert trace.nodes[own] == LineageNode(
        kind="transition", name=name, hash=own, facts={"prior": name}
    )


@pytest.mark.parametrize(
    ("text", "columns", "status"),
    [
        ("study_id,report\n1,No edema.\n", USUAL_COLUMNS, AS_IT_WAS),
        ("id,words\n1,No edema.\n", ReportColumns("id", "words"), NOT_FOUND),
    ],
)
def test_a_table_of_reports_is_listed_anew_by_its_usual_columns(tmp_path, text, columns, status):
    table = tmp_path / "r.csv"
    table.write_text(text)
    parent = describe_listing(read_report_table(table, columns), tmp_path / "labels.parquet")
    assert parent.path == "r.csv"
    node = LineageNode(kind=parent.kind, name=parent.name, hash=parent.hash)
    assert find_change(node, table) == status
    table.write_text(text.replace("No", "Mild"))
    assert find_change(node, table) == (CHANGED if status == AS_IT_WAS else status)
