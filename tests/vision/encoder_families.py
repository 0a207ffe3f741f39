"""The encoder families that tests build, each at its smallest."""

from __future__ import annotations

from vision.encoders import (
    ChauhanEncoderSettings,
    ImageEncoderSettings,
    TimmEncoderSettings,
    TorchvisionEncoderSettings,
)

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
"""Kind, name, arguments; width and side of the features of 64² images."""
KINDS = {"torchvision": TorchvisionEncoderSettings, "timm": TimmEncoderSettings}


def settings_of(kind: str, name: str | None, arguments: dict, **more) -> ImageEncoderSettings:
    if name is None:
        return ChauhanEncoderSettings(**arguments)
    return KINDS[kind](name=name, arguments=arguments, **more)
