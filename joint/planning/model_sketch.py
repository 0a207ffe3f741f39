"""The model of a run without its weights: shapes alone, to count work and memory before a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModel, BertConfig, PretrainedConfig

from joint.joint_settings import JointTaskSettings
from joint.model import JointModel
from joint.speed.settings import SpeedSettings, speed_up
from joint.task import Batch
from joint.text_encoder import (
    ConvTextSettings,
    PretrainedTextSettings,
    TextEncoder,
    TextEncoderError,
    TextEncoderSettings,
    new_text_encoder,
    take_pretrained,
)
from vision.grading_task import GradingModel, GradingTaskSettings
from vision.tower import ImageTower

KNOWN_VOCABULARIES = {
    "allenai/scibert_scivocab_uncased": 31_090,
    "emilyalsentzer/Bio_ClinicalBERT": 28_996,
    "microsoft/BiomedVLP-CXR-BERT-general": 30_522,
}
"""Models of BERT-base's dimensions, by the size of their vocabulary, as their cards give it."""


@dataclass(frozen=True)
class Work:
    """What one forward pass over `rows` rows takes.

    flops: of convolutions and matrix products, a multiplication and an addition are two.
    saved_bytes: what autograd keeps for the backward pass, beside the weights.
    largest_bytes: the largest single tensor of that.
    """

    rows: int
    flops: int
    saved_bytes: int
    largest_bytes: int


def sketch_model(task: JointTaskSettings | GradingTaskSettings) -> nn.Module:
    """Build a run's model with shapes and no numbers; nothing is fetched.

    Raises TextEncoderError for a pretrained text model that is neither on this machine nor one
    of KNOWN_VOCABULARIES.
    """
    tower = ImageTower(task.tower, load_pretrained=False).to("meta")
    if isinstance(task, GradingTaskSettings):
        return GradingModel(tower)
    with torch.device("meta"):
        text = _sketch_text(task.text)
        if not isinstance(task.text, ConvTextSettings):
            # A mask is asked whether it hides anything, which a tensor without numbers can't say.
            text.network.forward = partial(_run_unmasked, text.network.forward)
        return JointModel(
            tower, text, width=task.embedding_width, contrastive=task.losses.contrastive
        )


def is_dimension_known(text: TextEncoderSettings) -> bool:
    """Say whether the dimensions of a text model lie here, and not only its name's."""
    return not isinstance(text, PretrainedTextSettings) or _read_config(text.name) is not None


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Count the learning numbers of each part of the model; parts without any are left out."""
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = ".".join(name.split(".")[: 2 if name.startswith("tower.") else 1])
        counts[part] = counts.get(part, 0) + parameter.numel() * parameter.requires_grad
    return {part: count for part, count in counts.items() if count}


def measure_forward(
    model: nn.Module,
    *,
    rows: int,
    side: int,
    tokens: int | None,
    dtype: torch.dtype,
    speed: SpeedSettings,
) -> Work:
    """Run a sketch forward over images of side² and reports of `tokens` tokens.

    dtype: what the layers compute in; the sketch is cast to it, so that normalisations that
    autocast keeps in float32 count as half. tokens None: the batch has no reports.
    """
    model.train().to(dtype)
    speed_up(model, speed.model_copy(update={"compile": False}))
    batch: Batch = {"images": torch.zeros(rows, 1, side, side, dtype=dtype, device="meta")}
    if tokens is not None:
        ids = torch.zeros(rows, tokens, dtype=torch.int64, device="meta")
        batch |= {"token_ids": ids, "token_mask": torch.ones_like(ids)}
    own = {id(t.untyped_storage()): t for t in (*model.parameters(), *model.buffers())}
    weights = {t.untyped_storage()._cdata for t in own.values()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage
        return tensor

    counter = FlopCounterMode(display=False)
    with counter, saved_tensors_hooks(keep, lambda tensor: tensor):
        model(batch)
    sizes = [storage.nbytes() for storage in kept.values()]
    return Work(rows, counter.get_total_flops(), sum(sizes), max(sizes, default=0))


def _sketch_text(settings: TextEncoderSettings) -> TextEncoder:
    if not isinstance(settings, PretrainedTextSettings):
        return new_text_encoder(settings, settings.vocabulary)
    config = _read_config(settings.name)
    if config is None:
        if settings.name not in KNOWN_VOCABULARIES:
            known = ", ".join(KNOWN_VOCABULARIES)
            raise TextEncoderError(
                f"text.name: {settings.name!r} is not on this machine, and its dimensions are not"
                f" known without a network; known are {known}"
            )
        config = BertConfig(vocab_size=KNOWN_VOCABULARIES[settings.name])
    return take_pretrained(settings, AutoModel.from_config(config))


def _run_unmasked(
    forward: Callable[..., object], *, input_ids: Tensor, attention_mask: Tensor
) -> object:
    return forward(input_ids=input_ids)


def _read_config(name: str) -> PretrainedConfig | None:
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(name, local_files_only=True)
    except (OSError, ValueError):
        return None
    return config
