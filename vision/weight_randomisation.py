"""A tower whose weights are put in disorder, from the heads down: do its heatmaps notice?

Adebayo et al. 2018, Sanity checks for saliency maps: a map that stays the same when the
weights are random shows edges of the image, not what the model has learnt.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch

from vision.tower import ImageTower

ENCODER_STAGES = 4


def randomise_cascading(tower: ImageTower, *, seed: int) -> Iterator[tuple[str, ImageTower]]:
    """Give one copy of the tower again and again, each time with more of its weights shuffled.

    First the heads, then the encoder's tensors by quarters from the last. Within each tensor
    the values change places: any kind of layer keeps the scale it works at. Buffers stay.
    """
    generator = torch.Generator().manual_seed(seed)
    disordered = copy.deepcopy(tower)
    encoder = list(disordered.encoder.parameters())
    inside = {id(parameter) for parameter in encoder}
    heads = [p for p in disordered.parameters() if id(p) not in inside]
    _shuffle(heads, generator)
    yield "heads", disordered
    bounds = [round(len(encoder) * stage / ENCODER_STAGES) for stage in range(ENCODER_STAGES + 1)]
    for stage in reversed(range(ENCODER_STAGES)):
        _shuffle(encoder[bounds[stage] : bounds[stage + 1]], generator)
        share = (ENCODER_STAGES - stage) / ENCODER_STAGES
        yield f"heads, {share:.0%} of encoder", disordered


def _shuffle(parameters: list[torch.nn.Parameter], generator: torch.Generator) -> None:
    with torch.no_grad():
        for parameter in parameters:
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))
