"""Local weights: every name and shape must fit, and nothing is ever unpickled."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from configs.files import hash_file
from vision.encoder_settings import WeightSettings, forget_folder
from vision.encoder_weights import hash_encoder_weights
from vision.encoders import (
    ChauhanEncoderSettings,
    EncoderError,
    TimmEncoderSettings,
    TorchvisionEncoderSettings,
    build_image_encoder,
)
from vision.transforms import prepare_images

GREY = torch.arange(2 * 64 * 64).reshape(2, 64, 64).remainder(256).to(torch.uint8)


def resnet_state(**arguments: int) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return torchvision.models.resnet18(**arguments).state_dict()


def settings_for(path: Path, **weights: object) -> TorchvisionEncoderSettings:
    return TorchvisionEncoderSettings(name="resnet18", weights=WeightSettings(path=path, **weights))


def save(folder: Path, state: dict[str, Tensor]) -> Path:
    save_file({n: v.contiguous() for n, v in state.items()}, folder / "weights.safetensors")
    return folder / "weights.safetensors"


def test_weights_of_another_classifier_give_their_features(tmp_path: Path) -> None:
    """14 findings where ImageNet has 1,000 classes: the classifier isn't ours to check."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(num_classes=14).eval()
    encoder = build_image_encoder(settings_for(save(tmp_path, network.state_dict()))).eval()
    pixels = (GREY / 255.0).unsqueeze(1).expand(-1, 3, -1, -1)
    normalise = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    expected = nn.Sequential(*list(network.children())[:-2])(normalise(pixels))
    assert torch.allclose(encoder(prepare_images(GREY)), expected, atol=1e-4)


def test_weights_for_one_channel_keep_their_own_normalisation(tmp_path: Path) -> None:
    """As TorchXRayVision's: grey from −1024 to 1024."""
    state = resnet_state()
    state["conv1.weight"] = state["conv1.weight"][:, :1] * 1e-3
    settings = settings_for(save(tmp_path, state), mean=(0.5,), deviation=(1 / 2048,))
    stem = build_image_encoder(settings).trunk[0]
    expected = torch.nn.functional.conv2d(
        (GREY / 255.0 - 0.5).unsqueeze(1) * 2048, state["conv1.weight"], stride=2, padding=3
    )
    assert torch.allclose(stem(prepare_images(GREY)), expected, atol=1e-4)


def test_timm_weights_are_taken_by_timms_names(tmp_path: Path) -> None:
    import timm

    state = timm.create_model("test_resnet", num_classes=3).state_dict()
    weights = WeightSettings(path=save(tmp_path, state), mean=(0.5,) * 3, deviation=(0.5,) * 3)
    encoder = build_image_encoder(TimmEncoderSettings(name="test_resnet", weights=weights))
    last = encoder.trunk.network.state_dict()["layer4.0.conv1.weight"]
    assert torch.equal(last, state["layer4.0.conv1.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("layer1.0.conv1.weight"), r"1 missing: layer1\.0\.conv1\.weight$"),
        (
            lambda s: s.update({"layer9.weight": torch.zeros(1)}),
            r"1 unexpected: layer9\.weight$",
        ),
        (
            lambda s: s.update({"bn1.bias": torch.zeros(7)}),
            r"1 misshapen: bn1\.bias \(7,\) instead of \(64,\)$",
        ),
        (
            lambda s: s.update({"conv1.weight": torch.zeros(64, 1, 7, 7)}),
            r"conv1\.weight \(64, 1, 7, 7\) instead of \(64, 3, 7, 7\)",
        ),
        (lambda s: s.clear(), r"100 missing: .* and 95 more$"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, change, message: str) -> None:
    state = resnet_state()
    change(state)
    path = save(tmp_path, state or {"fc.weight": torch.zeros(1)})
    with pytest.raises(EncoderError, match=message) as raised:
        build_image_encoder(settings_for(path))
    assert str(path) in str(raised.value)


def test_old_files_without_batch_counts_are_taken(tmp_path: Path) -> None:
    state = {n: v for n, v in resnet_state().items() if "num_batches" not in n}
    build_image_encoder(settings_for(save(tmp_path, state)))


def test_a_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "exploded",)

    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(EncoderError, match="no safetensors file"):
        build_image_encoder(settings_for(path))
    assert not (tmp_path / "exploded").exists()


def test_a_missing_file_and_another_hash_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="cannot be read"):
        build_image_encoder(settings_for(tmp_path / "nothing.safetensors"))
    path = save(tmp_path, resnet_state())
    with pytest.raises(EncoderError, match=f"{hash_file(path)}, expected {'0' * 64}"):
        build_image_encoder(settings_for(path, sha256="0" * 64))


def test_a_caller_with_its_own_weights_needs_no_file() -> None:
    missing = settings_for(Path("nothing.safetensors"))
    assert build_image_encoder(missing, load_pretrained=False).width == 512


def test_the_hash_of_the_file_is_what_a_run_records(tmp_path: Path) -> None:
    path = save(tmp_path, resnet_state())
    assert hash_encoder_weights(settings_for(path)) == {"encoder_weights": hash_file(path)}
    assert hash_encoder_weights(TorchvisionEncoderSettings(name="resnet18")) == {}
    assert hash_encoder_weights(ChauhanEncoderSettings()) == {}


def test_a_saved_model_names_its_weights_file_and_no_folder():
    weights = WeightSettings(path=Path("private/resnet18.safetensors"), sha256="0" * 64)
    encoder = TorchvisionEncoderSettings(kind="torchvision", name="resnet18", weights=weights)
    shared = forget_folder(encoder).weights
    assert (str(shared.path), shared.sha256) == ("resnet18.safetensors", "0" * 64)
    plain = encoder.model_copy(update={"weights": None})
    assert forget_folder(plain) is plain
