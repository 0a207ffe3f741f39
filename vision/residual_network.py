"""The image network of Chauhan, Liao et al. 2020: a stem and seven narrow residual stages.

"Joint Modeling of Chest Radiographs and Radiology Reports for Pulmonary Edema Assessment",
MICCAI 2020, doi 10.1007/978-3-030-59713-9_51, written from its description and the published
model's dimensions: residual blocks of He et al. 2016, 2048² grey pixels to 4×4 places of 192
channels, pooled to 2×2 places, which make the embedding of 768 numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

POOLED_SIDE = 2
STEM_WIDTH = 8
BLOCKS_PER_STAGE = 2


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut, which is a 1×1 convolution where shapes differ."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(width_in, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or width_in != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Turn features [n, width_in, h, w] into [n, width, h / stride, w / stride]."""
        summed: Tensor = self.inner(features) + self.shortcut(features)
        activated: Tensor = self.activation(summed)
        return activated


def build_residual_trunk(widths: Sequence[int]) -> nn.Sequential:
    """Build stem and stages; images [n, 1, h, w] give [n, widths[-1], h / 4·2^stages, …]."""
    stem = nn.Sequential(
        nn.Conv2d(1, STEM_WIDTH, 7, stride=4, padding=3, bias=False),
        nn.BatchNorm2d(STEM_WIDTH),
        nn.ReLU(inplace=True),
    )
    stages, width_in = [], STEM_WIDTH
    for width in widths:
        blocks = [ResidualBlock(width_in, width, stride=2)]
        blocks += [ResidualBlock(width, width, stride=1) for _ in range(BLOCKS_PER_STAGE - 1)]
        stages.append(nn.Sequential(*blocks))
        width_in = width
    trunk = nn.Sequential(stem, *stages)
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return trunk
