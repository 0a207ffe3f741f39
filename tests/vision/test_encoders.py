"""Encoders by name: one grey channel, feature maps, and no surprises from norm or dropout."""

from __future__ import annotations

import pytest
import torch
import torchvision
from pydantic import ValidationError
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from tests.vision.examples import SMALL_DENSENET
from vision import encoders, named_networks
from vision.encoders import (
    ChauhanEncoderSettings,
    EncoderError,
    ImageEncoder,
    ImageEncoderSettings,
    TimmEncoderSettings,
    TorchvisionEncoderSettings,
    build_image_encoder,
)
from vision.explain import explain_severity
from vision.tower import ImageTower, TowerSettings
from vision.transforms import prepare_images

SMALL_VIT = {
    "image_size": 64,
    "patch_size": 16,
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 32,
    "mlp_dim": 48,
}
SMALL_MAXVIT = {
    "input_size": [64, 64],
    "stem_channels": 8,
    "partition_size": 2,
    "block_channels": [8, 16],
    "block_layers": [1, 1],
    "head_dim": 8,
    "stochastic_depth_prob": 0.0,
}
SMALL_SWIN = {
    "patch_size": [4, 4],
    "embed_dim": 16,
    "depths": [1, 1],
    "num_heads": [2, 2],
    "window_size": [4, 4],
}
FAMILIES = [
    ("torchvision", "convnext_tiny", {}, 768, 2),
    ("torchvision", "densenet121", {}, 1024, 2),
    ("torchvision", "efficientnet_b0", {}, 1280, 2),
    ("torchvision", "googlenet", {"init_weights": False}, 1024, 2),
    ("torchvision", "MaxVit", SMALL_MAXVIT, 16, 8),
    ("torchvision", "mnasnet0_5", {}, 1280, 2),
    ("torchvision", "mobilenet_v2", {}, 1280, 2),
    ("torchvision", "mobilenet_v3_small", {}, 576, 2),
    ("torchvision", "regnet_y_400mf", {}, 440, 2),
    ("torchvision", "resnet18", {}, 512, 2),
    ("torchvision", "shufflenet_v2_x0_5", {}, 1024, 2),
    ("torchvision", "squeezenet1_1", {}, 512, 3),
    ("torchvision", "SwinTransformer", SMALL_SWIN, 32, 8),
    ("torchvision", "VisionTransformer", SMALL_VIT, 32, 4),
    ("timm", "test_byobnet", {}, 256, 2),
    ("timm", "test_convnext", {}, 64, 2),
    ("timm", "test_efficientnet", {}, 256, 2),
    ("timm", "test_nfnet", {}, 192, 2),
    ("timm", "test_resnet", {}, 96, 2),
    ("timm", "test_vit", {"img_size": 64}, 64, 4),
    ("timm", "mixer_s16_224", {"img_size": 64}, 512, 4),
    ("timm", "swin_tiny_patch4_window7_224", {"img_size": 64, "window_size": 2}, 768, 2),
    ("chauhan2020", None, {"widths": (8, 16, 24)}, 24, 2),
]
TAUGHT = {
    *("resnet18", "densenet121", "googlenet", "efficientnet_b0", "SwinTransformer"),
    *("VisionTransformer", "test_efficientnet", "test_nfnet", "test_vit", "test_resnet"),
}
"""Stems with and without padding, plain, standardised or in patches; two normalisations."""
KINDS = {"torchvision": TorchvisionEncoderSettings, "timm": TimmEncoderSettings}


def settings_of(kind: str, name: str | None, arguments: dict, **more) -> ImageEncoderSettings:
    if name is None:
        return ChauhanEncoderSettings(**arguments)
    return KINDS[kind](name=name, arguments=arguments, **more)


def build(name: str, **settings: object) -> ImageEncoder:
    return build_image_encoder(TorchvisionEncoderSettings(name=name, **settings))


@pytest.mark.parametrize(("kind", "name", "arguments", "width", "side"), FAMILIES)
def test_families_learn_from_grey_and_are_explained(kind, name, arguments, width, side) -> None:
    torch.manual_seed(0)
    tower = ImageTower(
        TowerSettings(encoder=settings_of(kind, name, arguments), findings=("Edema",))
    ).train()
    images = torch.randn(2, 1, 64, 64)
    graded = tower(images)
    assert graded.features.shape == (2, width, side, side)
    assert tower.encoder.width == width
    (graded.severity_logits.sum() + graded.finding_logits.sum()).backward()
    assert [n for n, p in tower.named_parameters() if p.requires_grad and p.grad is None] == []
    tower.eval()
    with torch.no_grad():
        before = tower(images).severity_logits
        tower.to(memory_format=torch.channels_last)
        after = tower(images.to(memory_format=torch.channels_last)).severity_logits
    assert torch.allclose(before, after, atol=1e-4 * max(1.0, float(before.abs().max())))
    assert explain_severity(tower, images).shape == (2, 64, 64)


@pytest.mark.parametrize(
    ("kind", "name", "arguments"), [family[:3] for family in FAMILIES if family[1] in TAUGHT]
)
def test_trained_weights_see_grey_as_they_saw_it_thrice(
    kind, name, arguments, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    settings = settings_of(kind, name, arguments)
    taught = settings.model_copy(update={"pretrained": True})
    cut = named_networks.cut_network(settings, pretrained=False)
    monkeypatch.setattr(encoders, "cut_network", lambda *_, **__: cut)
    grey = torch.randint(0, 256, (2, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        expected = cut.trunk.eval()(normalise_thrice(grey, cut.mean, cut.deviation))
        found = build_image_encoder(taught).eval()(prepare_images(grey))
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))


def normalise_thrice(grey: Tensor, mean: tuple[float, ...], deviation: tuple[float, ...]) -> Tensor:
    pixels = (grey / 255.0).unsqueeze(1).expand(-1, 3, -1, -1)
    return (pixels - torch.tensor(mean).reshape(3, 1, 1)) / torch.tensor(deviation).reshape(3, 1, 1)


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
    """3.31 million weights with four logits, 2048² pixels to 4×4 places of 192, 768 numbers."""
    encoder = build_image_encoder(ChauhanEncoderSettings()).eval()
    count = sum(parameter.numel() for parameter in encoder.parameters()) + 768 * 4 + 4
    assert round(count / 1e6, 2) == 3.31
    with torch.no_grad():
        features = encoder(torch.zeros(1, 1, 2048, 2048))
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
        ("timm", "volo_d1_224", {}, "volo_d1_224: 197 tokens are no square"),
    ],
)
def test_what_cannot_be_built_says_why(kind, name, arguments, message) -> None:
    with pytest.raises(EncoderError, match=message):
        build_image_encoder(settings_of(kind, name, arguments))


def test_a_network_of_a_fixed_size_refuses_another() -> None:
    encoder = build("VisionTransformer", arguments=SMALL_VIT)
    assert encoder.side == 64
    with pytest.raises(EncoderError, match=r"images of 96×96.*takes 64×64"):
        encoder(torch.zeros(1, 1, 96, 96))


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
