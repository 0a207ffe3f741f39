"""The settings of a run's controls."""

from __future__ import annotations

import pytest

from data_cards.corpora import CORPORA
from joint.evaluation.controls import ControlError, derive_control
from tests.joint.test_run import JOINT, tiny_run
from tests.joint.tiny_corpus import TINY_CORPUS


@pytest.fixture
def tiny(monkeypatch):
    """The tiny corpus, known to Kerley."""
    monkeypatch.setitem(CORPORA, "tiny", TINY_CORPUS)


@pytest.mark.usefixtures("tiny")
def test_a_control_differs_from_its_run_in_name_and_task_alone(tmp_path):
    settings = tiny_run(tmp_path, tmp_path / "runs", task=JOINT)
    for name in ("image_only", "shuffled_pairs"):
        control = derive_control(settings, name)
        assert control.model_copy(update={"name": "tiny-run", "task": settings.task}) == settings
        assert control.task.tower == settings.task.tower
    with pytest.raises(ControlError, match="is a control itself"):
        derive_control(derive_control(settings, "shuffled_pairs"), "image_only")
    grading = settings.model_copy(update={"task": derive_control(settings, "image_only").task})
    with pytest.raises(ControlError, match="must be joint, found grading"):
        derive_control(grading, "shuffled_pairs")
    with pytest.raises(ControlError, match="expected one of image_only, shuffled_pairs"):
        derive_control(settings, "labels_only")
