"""ONNX files of graders: the same scores as torch, and every tampered one refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from configs.files import hash_file
from kerley import app
from tests.vision.examples import FINDINGS, save_xrays, small_tower
from vision import onnx_export
from vision.abstention import fit_abstention
from vision.calibration import SeverityCalibration
from vision.encoder_settings import (
    ChauhanEncoderSettings,
    ImageEncoderSettings,
    TimmEncoderSettings,
)
from vision.framing import CacheSettings
from vision.grader import Grader, GraderError
from vision.onnx_engine import OnnxEngine, refuse_unsafe
from vision.onnx_export import MOST_DIFFERENCE, export_grader
from vision.torch_engine import TorchEngine
from vision.tower import ImageTower, TowerSettings
from vision.transforms import prepare_images

INPUT = CacheSettings(size=64)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `plain`, a grader, and `onnx`, the same with its ONNX file."""
    folder = tmp_path_factory.mktemp("graders")
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(60, small_tower().width))
    grader = Grader(
        engine=TorchEngine(small_tower()),
        input=INPUT,
        severity_calibration=SeverityCalibration(slope=3.0, cuts=(1.0, 1.4, 2.0)),
        abstention=fit_abstention(embeddings, rng.dirichlet(np.ones(4), 60)),
    )
    grader.save(folder / "plain")
    done = CliRunner().invoke(app, ["export", str(folder / "plain"), "--out", str(folder / "onnx")])
    assert done.exit_code == 0, done.output
    assert "largest difference from torch" in done.output
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy of the grader with an ONNX file, to be changed."""
    return shutil.copytree(exported / "onnx", tmp_path / "grader")


def test_both_engines_give_the_same_grade(exported: Path, tmp_path: Path) -> None:
    by_onnx = Grader.load(exported / "onnx")
    by_torch = Grader.load(exported / "onnx", engine="torch")
    assert isinstance(by_onnx.engine, OnnxEngine)
    assert isinstance(by_torch.engine, TorchEngine)
    assert isinstance(Grader.load(exported / "plain").engine, TorchEngine)
    for path in save_xrays(tmp_path, 4):
        given, expected = by_onnx(path), by_torch(path)
        assert given.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
        assert given.findings == pytest.approx(expected.findings, abs=1e-5)
        assert (given.severity, given.abstain) == (expected.severity, expected.abstain)
        assert (given.sha256, given.warnings) == (expected.sha256, expected.warnings)


def test_heatmaps_come_through_torch(exported: Path, tmp_path: Path) -> None:
    (path,) = save_xrays(tmp_path, 1)
    _, by_onnx = Grader.load(exported / "onnx").explain(path)
    _, by_torch = Grader.load(exported / "plain").explain(path)
    np.testing.assert_array_equal(by_onnx, by_torch)


def test_the_file_says_what_it_is(exported: Path) -> None:
    card = json.loads((exported / "onnx" / "grader.json").read_text())
    assert card["onnx_sha256"] == hash_file(exported / "onnx" / "grader.onnx")
    model = onnx.load(exported / "onnx" / "grader.onnx")
    assert [given.name for given in model.graph.input] == ["images"]
    assert [output.name for output in model.graph.output] == [
        *("embeddings", "severity_logits", "finding_logits")
    ]
    said = {prop.key: prop.value for prop in model.metadata_props}
    assert said["findings"] == ", ".join(FINDINGS)
    assert said["preprocessing_hash"] == card["preprocessing_hash"]
    assert said["weights_sha256"] == card["weights_sha256"]
    assert str(Path(__file__).parents[2]).encode() not in model.SerializeToString()


@pytest.mark.parametrize(
    "encoder",
    [
        TimmEncoderSettings(name="test_vit"),
        TimmEncoderSettings(name="test_resnet"),
        ChauhanEncoderSettings(widths=(4, 8, 8)),
    ],
    ids=["vision transformer", "residual network", "chauhan2020"],
)
def test_encoder_families_agree_with_torch(encoder: ImageEncoderSettings) -> None:
    torch.manual_seed(0)
    tower = ImageTower(TowerSettings(encoder=encoder, findings=())).eval()
    model = onnx_export.convert_tower(tower, 64, {})
    assert onnx_export.measure_difference(model, tower, 64) <= MOST_DIFFERENCE
    engine = OnnxEngine(model, (), threads=1, load_tower=lambda: tower)
    for count in (1, 3, 8):
        images = np.random.default_rng(count).integers(0, 256, (count, 64, 64), np.uint8)
        with torch.no_grad():
            expected = tower(prepare_images(torch.from_numpy(images)))
        scored = engine.score(images)
        np.testing.assert_allclose(scored.severity_logits, expected.severity_logits, atol=1e-4)
        np.testing.assert_allclose(scored.embeddings, expected.embeddings, atol=1e-4)
        assert scored.finding_logits.shape == (count, 0)


def test_an_export_that_differs_from_torch_is_not_written(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = (exported / "onnx" / "grader.onnx").read_bytes()
    model = onnx.load_model_from_string(honest)
    (bias,) = (t for t in model.graph.initializer if t.name.endswith("severity_head.score.bias"))
    bias.CopyFrom(onnx.numpy_helper.from_array(np.float32([0.1]) + 1, bias.name))
    monkeypatch.setattr(onnx_export, "convert_tower", lambda *_: model.SerializeToString())
    with pytest.raises(GraderError, match="differ from torch by"):
        export_grader(exported / "plain", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_saving_again_forgets_the_old_onnx_file(folder: Path) -> None:
    Grader.load(folder).save(folder)
    assert not (folder / "grader.onnx").exists()
    assert isinstance(Grader.load(folder).engine, TorchEngine)
    with pytest.raises(GraderError, match=r"write one with: kerley export"):
        Grader.load(folder, engine="onnx")


def edit_card(folder: Path, **changes: object) -> None:
    card = json.loads((folder / "grader.json").read_text())
    (folder / "grader.json").write_text(json.dumps(card | changes))


def edit_model(folder: Path, change: Callable[[onnx.ModelProto], object]) -> None:
    """Change the ONNX file and make its hash in the card fit, as an attacker would."""
    model = onnx.load(folder / "grader.onnx")
    change(model)
    write_model(folder, model.SerializeToString())


def write_model(folder: Path, data: bytes) -> None:
    (folder / "grader.onnx").write_bytes(data)
    edit_card(folder, onnx_sha256=hash_file(folder / "grader.onnx"))


def flip_a_bit(folder: Path) -> None:
    data = bytearray((folder / "grader.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "grader.onnx").write_bytes(data)


def point_outside(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret.bin")


def hide_in_an_attribute(model: onnx.ModelProto) -> None:
    node = model.graph.node.add(op_type="Constant", output=["hidden"], name="hidden")
    tensor = onnx.numpy_helper.from_array(np.zeros(1, np.float32), "inner")
    attribute = onnx.helper.make_attribute("value", tensor)
    attribute.t.external_data.add(key="location", value="/etc/hostname")
    node.attribute.append(attribute)


def swap_names(model: onnx.ModelProto) -> None:
    (names,) = (prop for prop in model.metadata_props if prop.key == "findings")
    names.value = ", ".join(reversed(FINDINGS))


def rename_output(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if "embeddings" in node.output)
    identity = onnx.helper.make_node("Identity", ["embeddings"], ["surprise"])
    model.graph.node.insert(list(model.graph.node).index(node) + 1, identity)
    model.graph.output[0].name = "surprise"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_a_bit, r"grader.onnx: not the ONNX file that grader.json"),
        (lambda f: (f / "grader.onnx").unlink(), r"grader.onnx: no such file"),
        (lambda f: write_model(f, b"\x80\x04pickle"), r"not an ONNX model"),
        (lambda f: write_model(f, b""), r"not an ONNX model"),
        (lambda f: edit_model(f, point_outside), r"lies in another file"),
        (lambda f: edit_model(f, hide_in_an_attribute), r"'inner' lies in another file"),
        (lambda f: edit_model(f, swap_names), r"made from another grader \(findings\)"),
        (lambda f: edit_model(f, rename_output), r"not an ONNX model of a grader"),
        (
            lambda f: edit_model(f, lambda m: m.opset_import.add(domain="evil", version=1)),
            r"operators of its own \(evil\)",
        ),
        (lambda f: edit_card(f, onnx_sha256=None), r"grader.onnx is not named in grader.json"),
        (lambda f: torch.save({"x": 1}, f / "weights.pt"), r"holds weights\.pt; a grader's folder"),
        (lambda f: (f / "more").mkdir(), r"holds more; a grader's folder"),
    ],
)
def test_a_changed_folder_is_refused(
    folder: Path, damage: Callable[[Path], object], message: str
) -> None:
    Grader.load(folder)
    damage(folder)
    with pytest.raises(GraderError, match=message):
        Grader.load(folder)


def test_an_onnx_file_of_other_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    Grader(engine=TorchEngine(small_tower(seed=1)), input=INPUT).save(tmp_path / "other")
    shutil.copy(folder / "grader.onnx", tmp_path / "other")
    edit_card(tmp_path / "other", onnx_sha256=hash_file(folder / "grader.onnx"))
    with pytest.raises(GraderError, match=r"another grader \(contract, weights_sha256\)"):
        Grader.load(tmp_path / "other")


def test_an_interrupted_export_is_mended_by_the_next(folder: Path) -> None:
    (folder / "grader.onnx").write_bytes(b"half of a new one")
    with pytest.raises(GraderError, match="not the ONNX file"):
        Grader.load(folder)
    export_grader(folder, folder)
    assert isinstance(Grader.load(folder).engine, OnnxEngine)


def test_a_plain_model_is_safe(folder: Path) -> None:
    refuse_unsafe((folder / "grader.onnx").read_bytes())


def test_grading_with_onnx_imports_no_torch(folder: Path, tmp_path: Path) -> None:
    save_xrays(tmp_path / "in", 2)
    out = tmp_path / "grades.csv"
    script = (
        "import sys; from kerley import app\n"
        "app(['grade', *sys.argv[1:]], standalone_mode=False)\n"
        "heavy = {'torch', 'torchvision', 'timm', 'spacy', 'transformers', 'tokenizers',"
        " 'accelerate', 'wandb', 'datasets', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    command = [sys.executable, "-c", script, *map(str, (folder, tmp_path / "in", "--out", out))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 images" in done.stdout
    assert out.is_file()
