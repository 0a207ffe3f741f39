"""The lineage at a server: makers before users, told once, and nothing of it but hashes."""

from __future__ import annotations

import os

import pandas as pd
import pytest

from configs.files import write_text
from configs.settings import save_settings
from data_cards.corpora import CORPORA
from data_cards.lineage import Lineage, LineageNode
from joint.run_folder import RunFolder
from joint.tracking.artifacts import blind_predictions, describe_artifact, plan_lineage
from joint.tracking.lineage import SyncError, WandbServer, replay_lineage
from joint.tracking.settings import TrackingSettings
from joint.tracking.sync import find_runs, sync_run
from joint.tracking.tracker import Tracker
from joint.tracking.wandb_run import RunName
from joint.training.settings import hash_recipe
from tests.joint.test_run import tiny_run
from tests.joint.tiny_corpus import TINY_CORPUS

OWN = RunName("0a1b2c", "kerley", "recipe", "train", 5.0)


def node(kind, *parents, name="jane-doe.parquet", **values):
    own = kind.encode().hex().ljust(64, "0")[:64]
    return LineageNode(
        kind=kind, name=name, hash=own, parents=tuple(p.hash for p in parents), **values
    )


CORPUS = node("corpus listing", counts={"studies": 40})
RULES = node("rules")
MINED = node("label table", CORPUS, RULES, facts={"labeler": "Dr. Jane", "parameters": "ab" * 32})
COMBINED = LineageNode(
    kind="label table",
    name="x",
    hash="c" * 64,
    parents=(MINED.hash,),
    parameters={"smoothing": 0.5, "site": "Jane's ward"},
)
READS = node("audited reads")
AUDIT = node("transition", READS, COMBINED)
CACHE = node("image cache", CORPUS, facts={"size": "64×64"})
RUN = node("run", COMBINED, CACHE, AUDIT)
REFERENCE = node("reference")
PREDICTIONS = node("predictions", RUN, REFERENCE)
GRADER = node("grader", RUN, PREDICTIONS)
SOURCES = (CORPUS, RULES, MINED, COMBINED, READS, AUDIT, CACHE)
LINEAGE = Lineage(nodes=(*SOURCES, RUN, REFERENCE, PREDICTIONS, GRADER))


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(CORPORA, "tiny", TINY_CORPUS)


class PretendServer:
    """Takes what a W&B server would be told."""

    def __init__(self, *, refuses=()):
        self.sent, self.told, self.refuses = [], [], refuses

    def send(self, folders):
        for folder in folders:
            if folder.name in self.refuses:
                raise SyncError("refused")
            (folder / "run-1.wandb.synced").touch()
        self.sent += [folder.name for folder in folders]
        self.staged = os.environ["WANDB_DATA_DIR"]

    def mirror(self, name, step):
        kinds = [[card.kind for card in cards] for cards in (step.uses, step.makes)]
        self.told.append((name, *kinds))


def test_makers_come_before_users_and_each_has_its_job():
    server = PretendServer()
    assert replay_lineage(server, LINEAGE, OWN) == 5
    assert [(name.job, uses, makes) for name, uses, makes in server.told] == [
        ("mine", ["corpus listing", "rules"], ["label table"]),
        ("combine", ["label table"], ["label table"]),
        ("audit", ["audited reads", "label table"], ["transition"]),
        ("cache", ["corpus listing"], ["image cache"]),
        ("train", ["label table", "image cache", "transition", "reference"], []),
    ]
    assert server.told[-1][0] == OWN
    assert server.told[0][0] == OWN._replace(
        run_id=f"label-table-{MINED.hash[:12]}", job="mine", group="label-table"
    )
    made = set()
    for step in plan_lineage(LINEAGE):
        derived = {card.hash for card in step.uses} & {n.hash for n in LINEAGE.nodes if n.parents}
        assert derived <= made
        made |= {card.hash for card in step.makes}


def test_two_runs_on_one_label_table_share_the_run_that_mined_it():
    other = LineageNode(kind="run", name="other", hash="d" * 64, parents=(COMBINED.hash,))
    lineage = Lineage(nodes=(CORPUS, RULES, MINED, COMBINED, other))
    ids = [step.run_id for step in plan_lineage(lineage)]
    assert ids[:2] == [step.run_id for step in plan_lineage(LINEAGE)][:2]


def test_a_card_holds_hashes_counts_and_the_whole_chain_and_no_word_of_its_thing():
    card = describe_artifact(COMBINED, LINEAGE)
    assert card.content["parameters"] == {"smoothing": 0.5}
    assert [each["kind"] for each in card.content["chain"]] == [
        "corpus listing",
        "rules",
        "label table",
    ]
    assert describe_artifact(MINED, LINEAGE).content["facts"] == {"parameters": "ab" * 32}
    assert describe_artifact(CACHE, LINEAGE).content["facts"] == {"size": "64×64"}
    everything = str([describe_artifact(each, LINEAGE) for each in LINEAGE.nodes])
    assert "ane" not in everything.replace("bane", "")


def test_studies_of_sent_predictions_cannot_be_tried_without_the_key():
    frame = pd.DataFrame(
        {"study_id": ["s1", "s1", "s2"], "patient_id": "p", "image": [0, 1, 0], "p0": [0.1, 0.2, 1]}
    )
    first, again = blind_predictions(frame, b"a" * 32), blind_predictions(frame, b"a" * 32)
    assert first.equals(again)
    assert list(first.columns) == ["study", "image", "p0"]
    assert first["study"].nunique() == 2
    other = blind_predictions(frame, b"b" * 32)
    assert set(first["study"]) & set(other["study"]) == set()


def make_run(out, *, is_finished=True):
    """Write what of a run folder `sync_run` reads."""
    settings = tiny_run(out / "corpus", out, name="run")
    folder = RunFolder.of(settings)
    folder.path.mkdir()
    save_settings(settings, folder.settings_file)
    write_text(folder.lineage, LINEAGE.model_dump_json())
    write_text(folder.path / "wandb" / "run_id", "0a1b2c")
    for name in ("offline-run-1", "offline-run-2"):
        (folder.path / "wandb" / name).mkdir()
    if is_finished:
        folder.card.write_text("done", encoding="utf-8")
    return folder, settings


def test_a_sync_sends_mirrors_once_then_tells_the_lineage_that_was_waiting(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_DATA_DIR", raising=False)
    folder, settings = make_run(tmp_path)
    server = PretendServer()
    assert sync_run(folder.path, server) == (2, 5)
    assert server.sent == ["offline-run-1", "offline-run-2"]
    assert server.staged == str(folder.path / "wandb" / "data")
    assert "WANDB_DATA_DIR" not in os.environ
    own = server.told[-1][0]
    assert (own.run_id, own.group) == ("0a1b2c", hash_recipe(settings)[:12])
    assert sync_run(folder.path, server) == (0, 5)


def test_a_mirrored_evaluation_is_sent_with_its_run_and_names_the_predictions(tmp_path):
    folder, _ = make_run(tmp_path)
    write_text(folder.evaluation / "wandb" / "run_id", "e1")
    (folder.evaluation / "wandb" / "offline-run-3").mkdir()
    server = PretendServer()
    assert sync_run(folder.path, server) == (3, 6)
    assert server.sent[-1] == "offline-run-3"
    name, uses, makes = server.told[-1]
    assert (name.run_id, name.job, uses, makes) == ("e1", "evaluate", ["predictions"], [])


def test_a_run_that_has_not_ended_is_sent_but_not_opened_again(tmp_path):
    folder, _ = make_run(tmp_path, is_finished=False)
    assert sync_run(folder.path, PretendServer()) == (2, 0)


def test_a_server_that_refuses_is_told_nothing_more(tmp_path):
    folder, _ = make_run(tmp_path)
    server = PretendServer(refuses={"offline-run-2"})
    with pytest.raises(SyncError, match="refused"):
        sync_run(folder.path, server)
    assert server.told == []


def test_a_run_without_a_mirror_and_a_folder_without_a_run_are_one_clear_message(tmp_path):
    folder, _ = make_run(tmp_path)
    (folder.path / "wandb" / "run_id").unlink()
    with pytest.raises(SyncError, match=r"no mirror to send.*disabled"):
        sync_run(folder.path, PretendServer())
    assert find_runs([tmp_path]) == [folder.path] == find_runs([folder.path])
    with pytest.raises(SyncError, match=r"no settings.yaml"):
        find_runs([folder.path / "wandb"])


def test_without_a_key_the_real_sync_says_why(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    folder, _ = make_run(tmp_path)
    for place in folder.path.glob("wandb/offline-run-*"):
        (place / "run-1.wandb").write_bytes(b":W&B\xe1\xbe\x00")
    with pytest.raises(SyncError, match=r"W&B took 2 mirrors not: .*API key"):
        sync_run(folder.path)


class OnlineRun:
    """Stands in for a run at a server."""

    offline = False

    def __init__(self, name):
        self.name, self.made, self.code = name, [], None

    def log_artifact(self, artifact, *, aliases):
        self.made.append((artifact.name, aliases))

    def finish(self, *, exit_code=0):
        self.code = exit_code


@pytest.mark.parametrize(
    ("exit_code", "sweep", "told"), [(0, None, 5), (130, None, 0), (0, "abc", 0)]
)
def test_an_online_run_tells_its_lineage_at_its_end(tmp_path, monkeypatch, exit_code, sweep, told):
    """A trial leaves it to `kerley sync`: in an agent's environment every run is the sweep's."""
    opened, steps = [], []

    def start_run(mode, name, **_):
        opened.append(OnlineRun(name))
        return opened[-1]

    monkeypatch.setattr("joint.tracking.tracker.start_run", start_run)
    monkeypatch.setattr(WandbServer, "mirror", lambda self, name, step: steps.append(step))
    monkeypatch.delenv("WANDB_SWEEP_ID", raising=False)
    if sweep:
        monkeypatch.setenv("WANDB_SWEEP_ID", sweep)
    tracker = Tracker(tmp_path, TrackingSettings(wandb="online"), config={}, group="recipe")
    tracker.log_artifacts(LINEAGE, {})
    tracker.finish(exit_code=exit_code)
    assert tracker.problems == 0
    assert [name for name, _ in opened[0].made] == ["predictions", "grader"]
    assert opened[0].code == exit_code
    assert len(steps) == told
