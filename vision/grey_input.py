"""One grey channel for networks made for RGB: a result as if the image were fed three times.

Our images come as grey = (pixel − MEAN) / DEVIATION (`vision/transforms.py`); a network's weights
expect each channel as (pixel − mean_c) / deviation_c. Both are linear in the pixel, so that
channel c is grey · DEVIATION / deviation_c + (MEAN − mean_c) / deviation_c, and a convolution over
the channels folds into one over grey and one over ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from vision.normalisation import DEVIATION, MEAN

RGB_CHANNELS = 3
C = TypeVar("C", bound=nn.Conv2d)


class GreyConv2d(nn.Conv2d):
    """A convolution over grey plus a fixed one over ones, `offset` [out, 1, h, w].

    The second is computed once per batch and not added as a bias, since zero padding at the
    border has no offset.
    """

    offset: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Turn images [n, 1, h, w] into what the RGB convolution makes of them thrice."""
        shift = conv2d(
            torch.ones_like(images[:1]), self.offset, None, self.stride, self.padding, self.dilation
        )
        return super().forward(images) + shift


class GreyToChannels(nn.Module):
    """Gives each channel of a network its own normalisation of the grey image."""

    gain: Tensor
    offset: Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        gain, offset = _channel_lines(mean, deviation)
        self.register_buffer("gain", gain.reshape(1, -1, 1, 1))
        self.register_buffer("offset", offset.reshape(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Turn grey [n, 1, h, w] into [n, channels, h, w]."""
        return images * self.gain + self.offset


def find_input_convolution(network: nn.Module) -> tuple[str, nn.Conv2d] | None:
    """Find the one plain convolution over RGB; None where there are several or none is plain.

    Subclasses (standardised weights, padding of their own) compute something else from the same
    weights and are not folded.
    """
    found = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and module.in_channels == RGB_CHANNELS
    ]
    if len(found) != 1:
        return None
    _, convolution = found[0]
    is_plain = type(convolution) is nn.Conv2d and convolution.padding_mode == "zeros"
    return found[0] if is_plain and convolution.groups == 1 else None


def sum_channels(convolution: nn.Conv2d) -> nn.Conv2d:
    """Give an untrained convolution one channel; its weights keep the variance of their sum."""
    grey = _one_channel(convolution, nn.Conv2d)
    with torch.no_grad():
        grey.weight.copy_(convolution.weight.sum(dim=1, keepdim=True))
    return grey


def fold_channels(
    convolution: nn.Conv2d, mean: Sequence[float], deviation: Sequence[float]
) -> GreyConv2d:
    """Fold trained weights over normalised channels into exactly as good ones over grey."""
    gain, offset = (line.reshape(1, -1, 1, 1) for line in _channel_lines(mean, deviation))
    grey = _one_channel(convolution, GreyConv2d)
    with torch.no_grad():
        grey.weight.copy_((convolution.weight * gain).sum(dim=1, keepdim=True))
        shift = (convolution.weight * offset).sum(dim=1, keepdim=True)
    grey.register_buffer("offset", shift)
    return grey


def change_channels(convolution: nn.Conv2d, channels: int) -> None:
    """Give a convolution room for weights of another number of input channels, all zero."""
    convolution.in_channels = channels
    shape = (convolution.out_channels, channels, *convolution.kernel_size)
    convolution.weight = nn.Parameter(torch.zeros(shape))


def set_module(root: nn.Module, name: str, module: nn.Module) -> None:
    """Put `module` where the dotted `name` stands in `root`."""
    parent, _, last = name.rpartition(".")
    setattr(root.get_submodule(parent), last, module)


def _channel_lines(mean: Sequence[float], deviation: Sequence[float]) -> tuple[Tensor, Tensor]:
    means, deviations = torch.tensor(mean), torch.tensor(deviation)
    return DEVIATION / deviations, (MEAN - means) / deviations


def _one_channel(convolution: nn.Conv2d, kind: type[C]) -> C:
    grey = kind(
        1,
        convolution.out_channels,
        (convolution.kernel_size[0], convolution.kernel_size[1]),
        (convolution.stride[0], convolution.stride[1]),
        padding=convolution.padding
        if isinstance(convolution.padding, str)
        else (convolution.padding[0], convolution.padding[1]),
        dilation=(convolution.dilation[0], convolution.dilation[1]),
        bias=convolution.bias is not None,
    )
    if convolution.bias is not None and grey.bias is not None:
        with torch.no_grad():
            grey.bias.copy_(convolution.bias)
    return grey
