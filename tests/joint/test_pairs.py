"""The shuffled control breaks every image-report pair and nothing else."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from joint.pairs import NO_REPORT, PairData, shuffle_reports
from joint.prepare import PreparationError, PreparedData, pair_data
from joint.tokens import train_tokenizer
from tests.joint.tiny import tiny_data, tiny_joint_task
from vision.batches import BatchSettings


def test_every_training_image_gets_a_foreign_report_of_the_same_kind():
    images, pairs, _ = tiny_data()
    shuffled = shuffle_reports(pairs, images.train, seed=1)
    own, foreign = pairs.report_of[images.train], shuffled.report_of[images.train]
    has_report = own >= 0
    assert (foreign[has_report] != own[has_report]).all()
    assert (foreign[~has_report] == -1).all()
    assert sorted(foreign) == sorted(own)
    assert (pairs.has_severity[foreign] == pairs.has_severity[own])[has_report].all()
    assert (shuffled.report_of[images.validate] == pairs.report_of[images.validate]).all()


def test_images_of_one_study_get_the_same_foreign_report():
    images, pairs, _ = tiny_data()
    pairs.report_of[1] = pairs.report_of[4]
    shuffled = shuffle_reports(pairs, images.train, seed=1)
    assert shuffled.report_of[1] == shuffled.report_of[4]


def test_labels_stay_with_their_image_and_with_their_report():
    rows = np.arange(8)
    plain, shuffled = tiny_joint_task(), tiny_joint_task(shuffle_reports=True)
    ours, theirs = plain.load(rows, step=0), shuffled.load(rows, step=0)
    assert (ours["severity_targets"] == theirs["severity_targets"]).all()
    assert (ours["images"] == theirs["images"]).all()
    report = shuffled.pairs.report_of[rows]
    has_report = theirs["has_report"].numpy()
    expected = shuffled.pairs.severity_targets[report][has_report]
    assert (theirs["report_targets"].numpy()[has_report] == expected).all()
    assert (ours["groups"] != theirs["groups"]).any()


def test_evaluation_batches_hold_no_report():
    assert set(tiny_joint_task().load(np.arange(4), step=None)) == {"images"}


SECTIONS = [
    ("the heart is large.", "mild edema."),
    ("the lungs are clear.",),
    (),
    ("no effusion.", "no edema.", "a later word."),
]


def read_pairs(sections: str, split=("train",) * 4) -> tuple[PairData, list[str]]:
    """The pairs of four studies of two images each, and the words of each token row."""
    texts = [" ".join(parts) or None for parts in SECTIONS]
    tokenizer = train_tokenizer([text for text in texts if text] * 2, vocabulary=200)
    prepared = PreparedData(
        studies=pd.DataFrame({"text": texts, "sections": SECTIONS, "split": split}),
        images=pd.DataFrame({"study": [0, 0, 1, 1, 2, 2, 3, 3]}),
        labels=pd.DataFrame({"edema_severity": pd.array([1, None, 0, 0], "Int8")}),
        cache=None,
        hashes={},
        left_out={},
    )
    pairs = pair_data(prepared, tokenizer, max_tokens=32, sections=sections)
    ids, starts = pairs.tokens.ids, pairs.tokens.starts
    words = [tokenizer.decode(ids[a:b]) for a, b in pairwise(starts)]
    return pairs, words


@pytest.mark.parametrize("draw", range(12))
def test_a_drawn_reading_is_the_whole_report_or_one_of_its_sections(draw):
    pairs, words = read_pairs("drawn")
    rows, is_whole = pairs.read(pairs.report_of, np.full(8, draw))
    for study, row, whole in zip(np.repeat(range(4), 2), rows, is_whole, strict=True):
        joined = " ".join(SECTIONS[study])
        assert (row == NO_REPORT) == (not joined)
        if joined:
            assert words[row] in (joined, *SECTIONS[study])
            assert whole == (words[row] == joined)


def test_all_sections_are_drawn_and_the_whole_report_as_often():
    pairs, _ = read_pairs("drawn")
    read = [pairs.read(pairs.report_of[:1], np.array([draw])) for draw in range(12)]
    rows = np.concatenate([row for row, _ in read])
    assert sorted(np.unique(rows, return_counts=True)[1]) == [4, 4, 4]
    is_whole = [whole for _, whole in read]
    assert np.mean(is_whole) == pytest.approx(1 / 3)


def test_joined_sections_are_read_as_one_text_alone():
    pairs, words = read_pairs("joined")
    assert len(words) == 3
    rows, is_whole = pairs.read(pairs.report_of, np.arange(8))
    assert (rows == pairs.report_of).all()
    assert is_whole.all()
    assert list(pairs.lengths()[4:6]) == [0, 0]
    assert (pairs.lengths()[[0, 1, 2, 3, 6, 7]] > 4).all()


def test_a_section_alone_teaches_no_grade():
    task = tiny_joint_task()
    task.pairs = replace(
        task.pairs, readings=np.stack([np.arange(26), np.roll(np.arange(26), 1)], 1)
    )
    batch = task.load(np.arange(18), step=0)
    whole, known = batch["report_is_whole"], batch["report_states_severity"]
    has = task.pairs.has_severity[:18] & (task.pairs.report_of[:18] != NO_REPORT)
    assert 0 < whole.sum() < 18
    assert (known.numpy() == (has & whole.numpy())).all()


def test_images_with_labels_and_no_report_have_the_share_declared_for_them():
    shares = BatchSettings(size=6, labelled_share=0.34, image_only_share=0.34)
    task = tiny_joint_task(batches=shares)
    task.pairs.report_of[:6] = NO_REPORT  # 0 and 3 have no severity, but findings
    alone, known = task.pairs.report_of == NO_REPORT, task.images.has_severity
    batches = task.plan_epoch(0)
    for rows in batches:
        kinds = [alone[rows], ~alone[rows] & known[rows], ~alone[rows] & ~known[rows]]
        assert [int(kind.sum()) for kind in kinds] == [2, 2, 2]
    teaches = known | ~alone | task.images.has_finding.any(axis=1)
    assert set(np.concatenate(batches)) == set(np.flatnonzero(teaches[:18]))


def test_rows_share_a_target_where_they_read_the_same_words(monkeypatch):
    impression = "no acute process."
    repeated = [("the heart is large.", impression), ("the lungs are clear.", impression)] * 2
    monkeypatch.setattr("tests.joint.test_pairs.SECTIONS", repeated)
    task, (pairs, words) = tiny_joint_task(), read_pairs("drawn")
    task.pairs, shared = pairs, set()
    for step in range(12):
        batch = task.load(np.arange(8), step=step)
        groups = batch["groups"].numpy()
        rows, _ = pairs.read(pairs.report_of, pairs.draw(pairs.report_of, seed=3, step=step))
        read = np.array([words[row] for row in rows])
        assert (batch["token_ids"] == pairs.tokens.pad(rows)[0]).all()
        assert ((groups[:, None] == groups) == (read[:, None] == read)).all()
        assert (groups[:4] == groups[4:]).all(), "two reports of the same words"
        assert groups[0] == groups[1], "two images of one report"
        shared.add(bool(groups[0] == groups[2]))
    assert shared == {True, False}, "two reports with the same impression"


def test_reports_outside_of_training_alone_are_refused():
    with pytest.raises(PreparationError, match="no training image has one: of 4 studies 3 have"):
        read_pairs("joined", split=("test", "validate", "train", "test"))
