"""The benchmarks run and say what they promise; no test asks how fast anything is."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
REPORTS = (
    "FINDINGS: The heart is enlarged. No pleural effusion.\nIMPRESSION: Cardiomegaly.",
    "FINDINGS: The lungs are clear. Ground-glass opacities. No edema.\nIMPRESSION: Normal.",
    "FINDINGS: Heart size is normal. Small effusions.\nIMPRESSION: Effusion.",
)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    table, out = folder / "reports.csv", folder / "figures.json"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("study_id", "report"))
        rows.writerows(enumerate(REPORTS))
    arguments = (
        f"--reports {table} --peers none --rounds 1 --corpus 20 --lengths 300 600 --mined 20"
        f" --workers 1 --json {out}"
    )
    command = [sys.executable, str(BENCHMARKS / "labeler.py"), *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text()) | {"printed": done.stdout}


def test_both_layouts_stand_beside_the_tokenizer(result):
    for speeds in (result["speeds"], result["corpus_speeds"]):
        assert list(speeds) == ["as they are", "on one line"]
        for rows in speeds.values():
            by_name = {row["labeler"]: row for row in rows}
            assert {"kerley, cold", "kerley, warm", "tokenizer"} <= by_name.keys()
            assert by_name["tokenizer"]["times_tokenizer"] == 1
            assert by_name["tokenizer"]["kerley_cold_times"] > 0
            assert all(row["reports_per_second"] > 0 for row in rows)


def test_every_text_is_read_at_every_length(result):
    texts = {row["text"] for row in result["lengths"]}
    assert len(texts) > 20
    assert {(row["text"], row["characters"]) for row in result["lengths"]} == {
        (text, length) for text in texts for length in (300, 600)
    }


def test_mining_is_timed_and_its_table_known(result):
    [row] = result["workers"]
    assert (row["reports"], row["workers"], row["table_hashes"]) == (20, 1, 1)


def test_tables_are_printed_and_no_report(result):
    assert "kerley, warm" in result["printed"]
    assert "synthetic" in result["printed"]
    assert "effusion" not in result["printed"].lower()


@pytest.fixture
def benchmark_modules(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_the_label_model_is_timed_and_beats_majority():
    command = [sys.executable, str(BENCHMARKS / "label_model.py"), "--seeds", "1"]
    command += ["--studies", "1000", "--peer-studies", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = {row.split(" | ")[0]: row.split(" | ") for row in done.stdout.splitlines()}
    for design in ("finding", "grade"):
        off, *_, won, cheaper, _ = rows[f"| {design}: five labelers, all vote"][1:]
        assert float(off) < 0.04
        assert (won, cheaper) == ("1 of 1", "1 of 1")
    assert "| 150 at random" in rows
    assert "1,000 studies × (14 findings + a grade) × 6 labelers" in done.stdout
    assert rows["| crowd-kit DawidSkene"]


def test_synthetic_reports_are_seeded_and_have_the_share_of_new_sentences(benchmark_modules):
    from benchmark_reports import recombine

    made = recombine(list(REPORTS), 400, 0.25, seed=1)
    assert made == recombine(list(REPORTS), 400, 0.25, seed=1)
    assert made != recombine(list(REPORTS), 400, 0.25, seed=2)
    assert all(report.startswith("FINDINGS:") for report in made)
    sentences = sum(report.count(".") for report in made)
    assert sum(report.count(" on image ") for report in made) / sentences == pytest.approx(
        0.25, abs=0.04
    )
    assert set(recombine(list(REPORTS[:1]), 9, 0, seed=1)) == {REPORTS[0]}


def test_peers_are_given_phrases_as_the_reports_spell_them(benchmark_modules):
    from benchmark_reports import make_task

    task = make_task(list(REPORTS), list(REPORTS), "chestxray14")
    assert {"effusions", "pleural effusion"} <= set(task["concepts"]["pleural_effusion"])
    assert "ground-glass opacities" in task["concepts"]["opacity"]
    assert task["findings"]["Cardiomegaly"] == ["cardiomegaly"]
    assert task["bodies"][0].startswith("The heart is enlarged.")


def test_a_peer_that_does_not_start_is_left_out_with_its_reason(benchmark_modules, tmp_path):
    from benchmark_reports import make_task
    from side_by_side import Race

    scripts = {"absent": ("with_no_such_peer.py", sys.executable)}
    core = max(os.sched_getaffinity(0))
    with Race(make_task(list(REPORTS), [], "chestxray14"), scripts, tmp_path, core) as race:
        assert "No such file" in race.left_out["absent"]


def test_a_peer_that_does_not_install_says_why(benchmark_modules, tmp_path):
    from environments import Peer, PeerError, make_environment

    peer = Peer("absent", "with_no_such_peer.py", (str(tmp_path / "absent.whl"),))
    with pytest.raises(PeerError, match=r"does not install: ERROR.*absent\.whl"):
        make_environment(peer, tmp_path)


def test_keys_of_the_audit_room_are_timed_with_each_read_on_the_disk():
    pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if shutil.which("chromium") is None:
        pytest.skip("no Chromium on the PATH: install Debian's package `chromium`")
    command = [sys.executable, str(BENCHMARKS / "audit_keys.py"), "--reads", "3"]
    command += ["--studies", "6", "--pause", "20", "--side", "200"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"3 reads on the disk; key to next item: p50 \d+ ms, p95 \d+ ms", done.stdout)
    assert "foreign requests: 0; console errors: 0" in done.stdout
