"""Encoders by name: one grey channel, feature maps, and no surprises from norm or dropout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from pydantic import ValidationError
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.ops import FrozenBatchNorm2d

from tests.vision.encoder_families import SMALL_VIT, settings_of
from tests.vision.examples import SMALL_DENSENET
from vision.encoder_settings import WeightSettings
from vision.encoders import (
    ChauhanEncoderSettings,
    EncoderError,
    ImageEncoder,
    ImageEncoderSettings,
    TimmEncoderSettings,
    TorchvisionEncoderSettings,
    build_image_encoder,
    check_encoder,
)


def build(name: str, **settings: object) -> ImageEncoder:
    return build_image_encoder(TorchvisionEncoderSettings(name=name, **settings))


@pytest.mark.parametrize("kind_and_name", [("torchvision", "resnet18"), ("timm", "test_resnet")])
def test_group_norm_replaces_batch_norm_and_keeps_activations(kind_and_name) -> None:
    torch.manual_seed(0)
    kind, name = kind_and_name
    encoder = build_image_encoder(settings_of(kind, name, {}, norm="group")).train()
    kinds = {type(module) for module in encoder.modules()}
    assert not any(issubclass(k, nn.BatchNorm2d) for k in kinds)
    assert nn.GroupNorm in kinds
    assert (encoder(torch.randn(1, 1, 64, 64)) >= 0).all()


def test_a_network_of_ones_own_size() -> None:
    encoder = build_image_encoder(SMALL_DENSENET)
    assert encoder.width == 28
    assert encoder(torch.randn(1, 1, 64, 64)).shape == (1, 28, 8, 8)


def test_the_papers_network_has_the_papers_numbers() -> None:
    """3.31 million weights (with four logits), 1.79 GFLOP; 2048² pixels give 768 numbers."""
    encoder = build_image_encoder(ChauhanEncoderSettings()).eval()
    count = sum(parameter.numel() for parameter in encoder.parameters()) + 768 * 4 + 4
    assert round(count / 1e6, 2) == 3.31
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        features = encoder(torch.zeros(1, 1, 2048, 2048))
    assert round(counter.get_total_flops() / 1e9, 2) == 1.79
    assert features.shape == (1, 192, 4, 4)
    assert encoder.pool(features).shape == (1, encoder.embedding_width) == (1, 768)


def test_regions_are_pooled_apart() -> None:
    encoder = build_image_encoder(ChauhanEncoderSettings(widths=(1,)))
    features = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert encoder.pool(features).tolist() == [[2.5, 4.5, 10.5, 12.5]]


def test_group_norm_makes_images_independent_of_their_batch() -> None:
    torch.manual_seed(0)
    encoder = build_image_encoder(SMALL_DENSENET).train()
    images = torch.randn(4, 1, 32, 32)
    assert torch.allclose(encoder(images)[:2], encoder(images[:2]), atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        TorchvisionEncoderSettings(name="efficientnet_b0", norm="group"),
        TorchvisionEncoderSettings(name="convnext_tiny", norm="group"),
        TorchvisionEncoderSettings(name="mobilenet_v3_small", norm="group"),
        TimmEncoderSettings(name="efficientnet_lite0", norm="group"),
    ],
)
def test_training_mode_draws_no_dropout(settings: ImageEncoderSettings) -> None:
    torch.manual_seed(0)
    encoder = build_image_encoder(settings).train()
    images = torch.randn(2, 1, 64, 64)
    assert torch.equal(encoder(images), encoder(images))


@pytest.mark.parametrize(
    "settings",
    [
        TorchvisionEncoderSettings(
            name="efficientnet_b0", norm="group", arguments={"stochastic_depth_prob": 0.5}
        ),
        TimmEncoderSettings(
            name="efficientnet_lite0", norm="group", arguments={"drop_path_rate": 0.5}
        ),
    ],
)
def test_dropout_that_is_asked_for_stays(settings: ImageEncoderSettings) -> None:
    torch.manual_seed(0)
    encoder = build_image_encoder(settings).train()
    images = torch.randn(2, 1, 64, 64)
    assert not torch.equal(encoder(images), encoder(images))


@pytest.mark.parametrize(("kind", "name"), [("torchvision", "resnet18"), ("timm", "test_resnet")])
def test_frozen_norm_keeps_the_statistics(kind: str, name: str) -> None:
    settings = settings_of(kind, name, {}, pretrained=True, norm="frozen_batch")
    encoder = build_image_encoder(settings, load_pretrained=False)
    norms = [m for m in encoder.modules() if isinstance(m, FrozenBatchNorm2d)]
    assert norms
    before = norms[0].running_mean.clone()
    encoder.train()(torch.randn(2, 1, 64, 64) + 5)
    assert torch.equal(norms[0].running_mean, before)


@pytest.mark.parametrize(
    ("kind", "name", "arguments", "message"),
    [
        (
            "torchvision",
            "resnet1800",
            {},
            "'resnet1800' is neither a class nor a builder.*resnet18",
        ),
        ("torchvision", "DenseNet", {"growth": 8}, "DenseNet: arguments.*growth"),
        ("torchvision", "resnet18", {"num_classes": 4}, "num_classes.*set by the encoder"),
        ("timm", "resnet1800", {}, "'resnet1800' is no network of timm.*resnet"),
        ("timm", "test_resnet", {"growth": 8}, "test_resnet: arguments.*growth"),
        ("timm", "crossvit_tiny_240", {}, "crossvit_tiny_240.*no map, no tokens"),
        ("timm", "resnet50.mine", {}, "no pretrained weights of that name"),
        ("timm", "volo_d1_224", {}, "volo_d1_224: 197 tokens are no square"),
    ],
)
def test_what_cannot_be_built_says_why(kind, name, arguments, message) -> None:
    with pytest.raises(EncoderError, match=message):
        build_image_encoder(settings_of(kind, name, arguments))


def test_timms_networks_without_weights_never_start_at_random_instead() -> None:
    settings = TimmEncoderSettings(name="coatnet_0_224", pretrained=True)
    with pytest.raises(EncoderError, match="no pretrained weights of that name"):
        build_image_encoder(settings)


def test_a_network_of_a_fixed_size_refuses_another() -> None:
    encoder = build("VisionTransformer", arguments=SMALL_VIT)
    assert encoder.side == 64
    with pytest.raises(EncoderError, match=r"images of 96×96.*takes 64×64"):
        encoder(torch.zeros(1, 1, 96, 96))


@pytest.mark.parametrize(
    ("settings", "side", "message"),
    [
        (TorchvisionEncoderSettings(name="VisionTransformer", arguments=SMALL_VIT), 96, "64×64"),
        (TorchvisionEncoderSettings(name="inception_v3"), 48, "takes no images of 48×48 pixels"),
        (TorchvisionEncoderSettings(name="resnet1800"), 64, "resnet1800"),
        (
            TorchvisionEncoderSettings(
                name="resnet18", weights=WeightSettings(path=Path("nothing.safetensors"))
            ),
            64,
            "cannot be read",
        ),
    ],
)
def test_what_would_fail_after_hours_is_found_first(settings, side, message) -> None:
    with pytest.raises(EncoderError, match=message):
        check_encoder(settings, side)


def test_an_encoder_that_will_do_passes_the_check() -> None:
    check_encoder(TorchvisionEncoderSettings(name="resnet18", pretrained=True), 48)
    check_encoder(ChauhanEncoderSettings(widths=(8, 16)), 48)


@pytest.mark.parametrize(("kind", "name"), [("torchvision", "resnet18"), ("timm", "test_resnet")])
def test_weights_that_cannot_be_fetched_are_an_error(kind, name, monkeypatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: "nowhere")
    monkeypatch.setattr("os.makedirs", lambda *_, **__: None)
    monkeypatch.setattr("timm.create_model", no_network)
    with pytest.raises(EncoderError, match=r"cannot be fetched.*pretrained: false"):
        build_image_encoder(settings_of(kind, name, {}, pretrained=True))


def test_torchvisions_weights_are_never_unpickled(tmp_path, monkeypatch) -> None:
    """The file that a download gives is read without pickle, and old DenseNet names are mended."""
    network = torchvision.models.densenet121()
    asked = {}

    def fetch(url: str, **options: object) -> dict[str, Tensor]:
        asked.update(options)
        state = network.state_dict()
        return {n.replace("layer1.norm1", "layer1.norm.1"): value for n, value in state.items()}

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetch)
    encoder = build("densenet121", pretrained=True)
    assert asked["weights_only"] is True
    assert asked["check_hash"] is True
    state = encoder.trunk[0].state_dict()
    name = "denseblock1.denselayer1.norm1.weight"
    assert torch.equal(state[name], network.features.state_dict()[name])


@pytest.mark.parametrize(
    "settings",
    [
        {"pretrained": True, "norm": "group"},
        {"norm": "frozen_batch"},
        {"size": 3},
        {"weights": {"path": "a.safetensors"}, "pretrained": True},
        {"weights": {"path": "a.safetensors", "mean": (0.5, 0.5)}},
        {"weights": {"path": "a.safetensors", "mean": (0.5,), "deviation": (0.0,)}},
        {"weights": {"path": "a.safetensors", "sha256": "abc"}},
    ],
)
def test_settings_that_contradict_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TorchvisionEncoderSettings(name="resnet18", **settings)
