"""The graph of a lineage: transitions in it, circles, layers, and what is cut to fit."""

from __future__ import annotations

import pytest

from data_cards.lineage import Lineage, LineageError, LineageNode
from data_cards.lineage_tables import AS_IT_WAS, CHANGED, Trace, trace_transition
from data_cards.transition import write_transition
from data_cards.transition_estimate import named_transition
from data_cards.transition_priors import TRANSITION_PRIORS
from joint.lineage.check import check_lineage
from joint.lineage.found import Found
from joint.lineage.layout import lay_out, plain_parents
from joint.lineage.runs import find_reads
from joint.lineage.text import shorten, tell_counts
from tests.joint.canary_run import changed


def test_a_transition_is_compared_by_its_content(tmp_path):
    name = min(TRANSITION_PRIORS)
    named, file = named_transition(name), tmp_path / "transition.json"
    write_transition(file, named)
    trace = Trace()
    own = trace_transition(trace, named, file)
    found = Found(trace.lineage(), trace.places)
    assert check_lineage(found) == {own: AS_IT_WAS}
    with changed(file, lambda text: text.replace(b'"draws": ', b'"draws": 1')):
        assert check_lineage(found) == {own: CHANGED}
    file.write_text("{", encoding="utf-8")
    assert check_lineage(found) == {own: CHANGED}
    own = trace_transition(alone := Trace(), named, None)
    assert check_lineage(Found(alone.lineage(), {})) == {own: AS_IT_WAS}


def test_reads_behind_a_transition_are_looked_for_beside_it(tmp_path):
    (tmp_path / "panel.csv").write_text("study_id,severity\n", encoding="utf-8")
    reads = [LineageNode(kind="audited reads", name=f"{n}.csv", hash=n) for n in ("panel", "gone")]
    node = LineageNode(kind="transition", name="t", hash="t", parents=("panel", "gone"))
    found = find_reads(Lineage(nodes=(*reads, node)), tmp_path)
    assert found == {"panel": tmp_path / "panel.csv"}


def graph(**parents):
    nodes = [
        LineageNode(kind="label table", name=name, hash=name, parents=tuple(above))
        for name, above in parents.items()
    ]
    return Lineage(nodes=tuple(nodes))


def test_a_circle_is_refused():
    with pytest.raises(LineageError, match="a descends from itself"):
        plain_parents(graph(a=["b"], b=["a"]))


def test_only_a_run_that_another_parent_tells_of_is_left_out():
    lineage = graph(a=[], b=["a"], c=["a", "b", "unknown"])
    assert plain_parents(lineage)["c"] == ("a", "b")
    first, *others = lineage.nodes
    of_a_run = Lineage(nodes=(first.model_copy(update={"kind": "run"}), *others))
    assert plain_parents(of_a_run)["c"] == ("b",)


def test_boxes_stand_in_layers_and_long_edges_go_around_them():
    laid = lay_out(graph(a=[], b=["a"], c=["b"], d=["a"], e=["c", "d"]))
    layers = {name: place[0] for name, place in laid.places.items()}
    assert layers == {"a": 0, "b": 1, "c": 2, "d": 2, "e": 3}
    assert len(set(laid.places.values())) == 5
    (long,) = (way for way in laid.edges if len(way) == 3)
    assert (long[0], long[2]) == (laid.places["a"], laid.places["d"])
    assert long[1] not in laid.places.values()


def test_names_and_counts_are_cut_to_fit():
    assert shorten("labels-of-a-very-long-name.parquet", 16) == "labels-….parquet"
    node = LineageNode(kind="run", name="r", hash="h", counts={"steps": 2000, "train": 1})
    assert [tell_counts(node, letters) for letters in (None, 12, 3)] == [
        *("2,000 steps, 1 train", "2,000 steps", "")
    ]
