"""Encoders by name: one grey channel, feature maps, and no surprises from norm or dropout."""

from __future__ import annotations

import pytest
import torch
import torchvision
from pydantic import ValidationError
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from tests.vision.examples import SMALL_DENSENET
from vision import encoders
from vision.encoders import EncoderError, TorchvisionEncoderSettings, build_image_encoder


def build(name: str, **settings: object) -> encoders.ImageEncoder:
    return build_image_encoder(TorchvisionEncoderSettings(name=name, **settings))


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("resnet18", 512),
        ("densenet121", 1024),
        ("mobilenet_v3_small", 576),
        ("efficientnet_b0", 1280),
        ("shufflenet_v2_x0_5", 1024),
        ("regnet_y_400mf", 440),
        ("mnasnet0_5", 1280),
    ],
)
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_families_give_feature_maps(name: str, width: int, norm: str) -> None:
    encoder = build(name, norm=norm)
    features = encoder(torch.randn(2, 1, 64, 64))
    assert encoder.width == width
    assert features.shape == (2, width, 2, 2)
    kinds = {type(module) for module in encoder.modules()}
    assert (nn.BatchNorm2d in kinds) == (norm == "batch")


def test_a_network_of_ones_own_size() -> None:
    encoder = build_image_encoder(SMALL_DENSENET)
    assert encoder.width == 28
    assert encoder(torch.randn(1, 1, 64, 64)).shape == (1, 28, 8, 8)


def test_summed_weights_see_grey_as_rgb_weights_did(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = torchvision.models.resnet18()
    monkeypatch.setattr(encoders, "_build_network", lambda *_, **__: network)
    grey = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        colour = network.eval().conv1(grey.expand(-1, 3, -1, -1))
        encoder = build("resnet18")
        assert torch.allclose(encoder.trunk[0](grey), colour, atol=1e-4)


def test_group_norm_makes_images_independent_of_their_batch() -> None:
    torch.manual_seed(0)
    encoder = build_image_encoder(SMALL_DENSENET).train()
    images = torch.randn(4, 1, 32, 32)
    assert torch.allclose(encoder(images)[:2], encoder(images[:2]), atol=1e-5)


@pytest.mark.parametrize("name", ["efficientnet_b0", "convnext_tiny", "mobilenet_v3_small"])
def test_training_mode_draws_no_dropout(name: str) -> None:
    torch.manual_seed(0)
    encoder = build(name, norm="group").train()
    images = torch.randn(2, 1, 64, 64)
    assert torch.equal(encoder(images), encoder(images))


def test_dropout_that_is_asked_for_stays() -> None:
    torch.manual_seed(0)
    encoder = build("efficientnet_b0", norm="group", arguments={"stochastic_depth_prob": 0.5})
    images = torch.randn(2, 1, 64, 64)
    assert not torch.equal(encoder(images), encoder(images))


def test_frozen_norm_keeps_the_statistics() -> None:
    settings = TorchvisionEncoderSettings(name="resnet18", pretrained=True, norm="frozen_batch")
    encoder = build_image_encoder(settings, load_pretrained=False)
    norms = [m for m in encoder.modules() if isinstance(m, FrozenBatchNorm2d)]
    assert norms
    before = norms[0].running_mean.clone()
    encoder.train()(torch.randn(2, 1, 64, 64) + 5)
    assert torch.equal(norms[0].running_mean, before)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("resnet1800", {}, "'resnet1800' is neither a class nor a builder.*resnet18"),
        ("DenseNet", {"growth": 8}, "DenseNet: arguments.*growth"),
        ("swin_t", {}, "expected feature maps"),
        ("vit_b_16", {}, "vit_b_16"),
    ],
)
def test_what_cannot_be_built_says_why(name: str, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        build(name, arguments=arguments)


def test_weights_that_cannot_be_fetched_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: "nowhere")
    monkeypatch.setattr("os.makedirs", lambda *_, **__: None)
    with pytest.raises(EncoderError, match=r"cannot be fetched.*pretrained: false"):
        build("resnet18", pretrained=True)


@pytest.mark.parametrize(
    "settings", [{"pretrained": True, "norm": "group"}, {"norm": "frozen_batch"}, {"size": 3}]
)
def test_settings_that_contradict_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TorchvisionEncoderSettings(name="resnet18", **settings)
