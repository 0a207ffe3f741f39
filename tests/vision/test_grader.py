"""The grader: the same grade after a round trip, and everything it refuses to load."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from configs.files import hash_file
from tests.vision.examples import draw_xray, save_dicom, save_xrays, small_tower
from vision.abstention import fit_abstention
from vision.cache import CacheSettings, build_cache
from vision.calibration import FindingCalibration, SeverityCalibration
from vision.conformal import ConformalSets
from vision.gate import GateSettings
from vision.grade_table import tabulate, write_grades
from vision.grader import Grader, GraderError
from vision.grader_card import GraderCard
from vision.heads import severity_probabilities
from vision.images import read_image
from vision.risk_limits import RiskThreshold
from vision.torch_engine import TorchEngine
from vision.tower import ImageTower
from vision.transforms import prepare_images

INPUT = CacheSettings(size=64)
CALIBRATION = SeverityCalibration(slope=3.0, cuts=(1.0, 1.4, 2.0))


def embed(tower: ImageTower, paths: list[Path], folder: Path) -> tuple[np.ndarray, np.ndarray]:
    cache = build_cache(paths, folder, INPUT)
    with torch.no_grad():
        output = tower.eval()(prepare_images(torch.from_numpy(cache.read(np.arange(len(paths))))))
    return output.embeddings.numpy(), severity_probabilities(output.severity_logits).numpy()


@pytest.fixture
def grader(tmp_path: Path) -> Grader:
    tower = small_tower()
    embeddings, probabilities = embed(tower, save_xrays(tmp_path / "in", 60), tmp_path / "cache")
    return Grader(
        engine=TorchEngine(tower, threads=1),
        input=INPUT,
        severity_calibration=CALIBRATION,
        finding_calibrations={"Cardiomegaly": FindingCalibration(slope=2.0, intercept=-0.5)},
        operating_points={"Pleural Effusion": 0.01},
        abstention=fit_abstention(embeddings, CALIBRATION.apply(probabilities)),
        provenance={"cache": "ab12", "labels": "cd34"},
    )


def test_a_grade_is_what_tower_and_calibration_say(grader: Grader, tmp_path: Path) -> None:
    (path,) = save_xrays(tmp_path / "new", 1)
    grade = grader(path)
    _, raw = embed(grader.tower, [path], tmp_path / "again")
    expected = CALIBRATION.apply(raw)[0]
    assert grade.probabilities == pytest.approx(expected, abs=1e-6)
    assert grade.severity == expected.argmax()
    assert list(grade.findings) == ["Cardiomegaly", "Pleural Effusion"]
    assert grade.present["Pleural Effusion"]
    assert not grade.present["Cardiomegaly"] or grade.findings["Cardiomegaly"] >= 0.5
    assert grade.sha256 == read_image(path).provenance.sha256
    assert grader(read_image(path)) == grade, "a decoded image gives the same"


def test_a_saved_grader_gives_bit_equal_grades(grader: Grader, tmp_path: Path) -> None:
    grader.save(tmp_path / "grader")
    # Another number of threads may move a probability in its eighth digit.
    loaded = Grader.load(tmp_path / "grader", threads=1)
    paths = save_xrays(tmp_path / "new", 4)
    assert list(loaded.grade_many(paths)) == list(grader.grade_many(paths))
    assert loaded.provenance == {"cache": "ab12", "labels": "cd34"}
    loaded.save(tmp_path / "twice")
    for name in ("grader.json", "grader.safetensors"):
        once, twice = (tmp_path / folder / name for folder in ("grader", "twice"))
        assert once.read_bytes() == twice.read_bytes()


def test_a_minimal_grader_round_trips(tmp_path: Path) -> None:
    minimal = Grader(engine=TorchEngine(small_tower(()), threads=1), input=INPUT)
    minimal.save(tmp_path / "grader")
    (path,) = save_xrays(tmp_path, 1)
    grade = Grader.load(tmp_path / "grader", threads=1)(path)
    assert grade == minimal(path)
    assert (grade.findings, grade.abstain) == ({}, False)


def test_it_abstains_with_the_reason(grader: Grader, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 120)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    Image.fromarray(255 - draw_xray(3)).save(tmp_path / "negative.png")
    (tmp_path / "text.png").write_text("not an image")
    for name, reason in [
        ("noise.png", "unlike the training images"),
        ("negative.png", "unlike the training images"),
        ("text.png", "unreadable: not an image"),
        ("missing.png", "unreadable: No such file"),
    ]:
        grade = grader(tmp_path / name)
        assert grade.abstain
        assert str(grade.reason).startswith(reason)
    assert grader(tmp_path / "text.png").severity is None
    assert grader(tmp_path / "missing.png").sha256 is None


def test_the_likely_grades_are_a_range_that_grows_to_the_promised_mass(tmp_path: Path) -> None:
    (path,) = save_xrays(tmp_path / "in", 1)
    for mass, expected in [(0.0, "mode"), (1.0, (0, 3))]:
        sets = ConformalSets(alpha=0.1, largest_mass=(mass,) * 4, images=50)
        engine = TorchEngine(small_tower())
        Grader(engine=engine, input=INPUT, conformal=sets).save(tmp_path / "grader")
        grade = Grader.load(tmp_path / "grader")(path)
        mode = grade.severity
        assert grade.severity_range == ((mode, mode) if expected == "mode" else expected)
    (record,) = tabulate([path], [grade])
    assert (record["severity_low"], record["severity_high"]) == (0, 3)
    write_grades([record, record | {"severity_low": None}], tmp_path / "grades.csv")
    assert pd.read_csv(tmp_path / "grades.csv")["severity_high"].tolist() == [3, 3]


def test_a_grade_that_is_not_sure_enough_is_refused_with_the_limit(tmp_path: Path) -> None:
    (path,) = save_xrays(tmp_path / "in", 1)
    for least, abstains in [(0.0, False), (1.0, True)]:
        risk = RiskThreshold(
            target_risk=0.2,
            delta=0.05,
            tolerance=0,
            least_confidence=least,
            observed_risk=0.1,
            bound=0.19,
            coverage=0.5,
            images=400,
        )
        engine = TorchEngine(small_tower())
        Grader(engine=engine, input=INPUT, risk=risk).save(tmp_path / "grader")
        grade = Grader.load(tmp_path / "grader")(path)
        assert grade.abstain is abstains
        assert ("at most 20% of grades are wrong" in str(grade.reason)) is abstains


def test_the_gate_says_why_before_the_embedding_does(grader: Grader, tmp_path: Path) -> None:
    gated = replace(grader, gate=GateSettings())
    gated.save(tmp_path / "grader")
    loaded = Grader.load(tmp_path / "grader")
    assert loaded.gate == GateSettings()
    lateral = save_dicom(tmp_path / "a.dcm", draw_xray(1).astype(np.uint16) * 16, ViewPosition="LL")
    grade = loaded(lateral)
    assert grade.abstain
    assert str(grade.reason).startswith("refused: The header says that this is a lateral view")
    assert not str(grader(lateral).reason).startswith("refused")


def test_it_warns_about_the_file(grader: Grader, tmp_path: Path) -> None:
    stored = draw_xray(1, height=30, width=40).astype(np.uint16) * 16
    path = save_dicom(
        tmp_path / "a.dcm",
        4095 - stored,
        PhotometricInterpretation="MONOCHROME1",
        ViewPosition="LL",
    )
    warnings = "; ".join(grader(path).warnings)
    for expected in ("no window", "turned", "lateral", "only 40×30 pixels"):
        assert expected in warnings


def test_making_a_grader_leaves_the_model_in_training_alone() -> None:
    tower = small_tower().train()
    grader = Grader(engine=TorchEngine(tower), input=INPUT)
    assert tower.training
    assert not grader.tower.training
    assert all(parameter.requires_grad for parameter in tower.parameters())


def test_an_explanation_has_the_shape_of_the_image(grader: Grader, tmp_path: Path) -> None:
    (path,) = save_xrays(tmp_path / "new", 1)
    image, heatmap = grader.explain(path)
    assert heatmap.shape == image.pixels.shape == (90, 120)
    assert 0 <= heatmap.min() <= heatmap.max() <= 1


def edit_card(folder: Path, **changes: object) -> None:
    card = json.loads((folder / "grader.json").read_text())
    (folder / "grader.json").write_text(json.dumps(card | changes))


def swap_findings(folder: Path) -> None:
    card = json.loads((folder / "grader.json").read_text())
    edit_card(folder, tower=card["tower"] | {"findings": card["tower"]["findings"][::-1]})


def tamper_with_weights(folder: Path) -> None:
    data = bytearray((folder / "grader.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "grader.safetensors").write_bytes(data)


def drop_a_tensor(folder: Path) -> None:
    file = folder / "grader.safetensors"
    tensors = load_file(file)
    del tensors["tower.severity_head.first_cut"]
    save_file(tensors, file)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: edit_card(f, schema_version=99), "schema version 99; this Kerley reads 1"),
        (lambda f: edit_card(f, surprise=1), "surprise"),
        (lambda f: edit_card(f, severity_names=["none", "mild", "more", "most"]), "severity names"),
        (swap_findings, "label names or settings were changed"),
        (
            lambda f: edit_card(f, operating_points={"Cardiomegaly": 0.1}),
            "label names or settings were changed",
        ),
        (lambda f: edit_card(f, input={"size": 128, "white_level": None}), "in another way"),
        (lambda f: edit_card(f, preprocessing_hash="0" * 64), "in another way"),
        (tamper_with_weights, "not the weights that"),
        (drop_a_tensor, "not the weights that"),
        (lambda f: (f / "grader.safetensors").unlink(), "no such file"),
        (lambda f: (f / "grader.json").unlink(), "not readable"),
        (lambda f: (f / "grader.json").write_text("{"), "not readable"),
    ],
)
def test_a_changed_grader_is_refused(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    Grader(engine=TorchEngine(small_tower()), input=INPUT).save(tmp_path)
    Grader.load(tmp_path)
    damage(tmp_path)
    with pytest.raises(GraderError, match=message):
        Grader.load(tmp_path)


def test_weights_are_never_unpickled(tmp_path: Path) -> None:
    Grader(engine=TorchEngine(small_tower()), input=INPUT).save(tmp_path)
    torch.save({"x": Path("evil")}, tmp_path / "grader.safetensors")
    with pytest.raises(GraderError, match="not the weights"):
        Grader.load(tmp_path)


def test_a_pickle_is_refused_even_where_the_card_names_it(tmp_path: Path) -> None:
    Grader(engine=TorchEngine(small_tower()), input=INPUT).save(tmp_path)
    weights = tmp_path / "grader.safetensors"
    torch.save({"x": Path("evil")}, weights)
    edit_card(tmp_path, weights_sha256=hash_file(weights))
    with pytest.raises(GraderError, match=r"grader\.safetensors: not safetensors"):
        Grader.load(tmp_path)


def test_a_grader_from_before_a_setting_existed_still_loads(tmp_path: Path) -> None:
    Grader(engine=TorchEngine(small_tower()), input=INPUT).save(tmp_path)
    card = json.loads((tmp_path / "grader.json").read_text())
    for later in ("conformal", "gate", "risk", "onnx_sha256"):
        del card[later]
    weights = tmp_path / "grader.safetensors"
    contract = GraderCard.model_validate_json(json.dumps(card)).contract
    save_file(load_file(weights), weights, metadata={"contract": contract})
    card["weights_sha256"] = hash_file(weights)
    (tmp_path / "grader.json").write_text(json.dumps(card))
    assert Grader.load(tmp_path).conformal is None


def test_unknown_findings_cannot_be_calibrated() -> None:
    with pytest.raises(GraderError, match="Fracture"):
        Grader(engine=TorchEngine(small_tower()), input=INPUT, operating_points={"Fracture": 0.3})


def test_grading_loads_neither_text_nor_training_libraries(tmp_path: Path) -> None:
    Grader(engine=TorchEngine(small_tower()), input=INPUT).save(tmp_path / "grader")
    (path,) = save_xrays(tmp_path, 1)
    script = (
        "import sys; from pathlib import Path; from vision.grader import Grader\n"
        "print(Grader.load(Path(sys.argv[1]))(Path(sys.argv[2])).severity)\n"
        "heavy = {'spacy', 'transformers', 'tokenizers', 'accelerate', 'wandb', 'datasets',"
        " 'text_labeler', 'joint', 'pandas', 'matplotlib'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "grader"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in "0123"
