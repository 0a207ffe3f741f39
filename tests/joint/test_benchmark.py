"""The benchmark's machinery at toy size: every arm runs, results stand, the tables are made."""

from __future__ import annotations

import json

import pytest

from joint.benchmark.plan import BenchmarkError, plan_units
from joint.benchmark.run import describe_benchmark, run_benchmark
from joint.benchmark.runner import has_result, unit_folder
from joint.benchmark.settings import BenchmarkSettings

TOY = BenchmarkSettings(
    studies=160,
    image_size=32,
    drawn_size=64,
    steps=2,
    batch=8,
    labelled=40,
    reader_labelled=40,
    noise_rate=0.6,
    noise_rates=(0.0,),
    label_counts=(20,),
    curve_seeds=1,
    resamples=20,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("benchmark")
    return out, run_benchmark(TOY, out, seeds=(0,))


def test_every_arm_and_family_is_in_the_result(finished):
    out, summary = finished
    numbers = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert set(numbers["estimates"]) == {"main", "noise", "labels", "reader", "shortcut"}
    main = numbers["estimates"]["main"]
    assert {"image-only", "founding", "mixed", "full", "shuffled", "oracle"} <= set(main)
    assert 0 <= main["full − shuffled"]["auc_0v123"]["high"] + 1 <= 2
    assert len(numbers["targets"]) == len(summary.targets) == 7
    assert (out / "figures" / "noise.json").is_file()
    assert "full recipe" in (out / "report.html").read_text(encoding="utf-8")
    text = "\n".join(describe_benchmark(summary, TOY, out))
    assert "Label efficiency" in text
    assert "Retrieval" in text


def test_a_finished_run_stands_and_other_settings_make_it_anew(finished):
    out, _ = finished
    units = plan_units(TOY, arms=("image-only",), seeds=(0,))
    files = [unit_folder(unit, out) / "result.json" for unit in units]
    before = [file.stat().st_mtime_ns for file in files]
    assert run_benchmark(TOY, out, seeds=(0,), arms=("image-only",)) is not None
    assert [file.stat().st_mtime_ns for file in files] == before
    longer = TOY.model_copy(update={"steps": 3})
    assert not any(has_result(unit, longer, out) for unit in units)


def test_unknown_arms_and_repeated_seeds_are_refused():
    with pytest.raises(BenchmarkError, match="best"):
        plan_units(TOY, arms=("best",), seeds=(0,))
    with pytest.raises(BenchmarkError, match="twice"):
        plan_units(TOY, seeds=(1, 1))
