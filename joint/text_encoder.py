"""Text encoders: a small convolution, a BERT of any size from scratch, or a pretrained model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, PreTrainedModel

from configs.settings import Settings
from joint.tokens import PADDING_ID, padded_length, train_tokenizer

Pooling = Literal["mean", "pooler"]


class TextEncoderError(ValueError):
    """A text encoder that cannot be had; the message says what was tried and what is needed."""


class ScratchTextSettings(Settings):
    """A BERT (Devlin et al. 2019) of any size, from random weights; its words are the corpus's.

    dropout is 0 by default: then the result does not depend on how rows fall on processes.
    pooling: see `TextEncoder`.
    """

    kind: Literal["scratch"] = "scratch"
    width: int = Field(128, ge=8)
    layers: int = Field(2, ge=1)
    heads: int = Field(4, ge=1)
    vocabulary: int = Field(2000, ge=64)
    max_tokens: int = Field(128, ge=8)
    dropout: float = Field(0.0, ge=0, lt=1)
    pooling: Pooling = "mean"

    @model_validator(mode="after")
    def _check_heads(self) -> ScratchTextSettings:
        if self.width % self.heads:
            raise ValueError(f"width {self.width}: expected a multiple of heads {self.heads}")
        return self


class ConvTextSettings(Settings):
    """Word vectors, one convolution over phrases of `phrase` tokens, and its mean and maximum.

    For few graded reports and one processor core: phrases that name a grade are found sooner
    than by a BERT from random weights, at a part of its cost (after Kim 2014, EMNLP,
    doi 10.3115/v1/D14-1181). Its vocabulary is the corpus's.
    """

    kind: Literal["conv"]
    width: int = Field(64, ge=8)
    phrase: int = Field(3, ge=1, le=15)
    vocabulary: int = Field(1000, ge=64)
    max_tokens: int = Field(128, ge=8)


class PretrainedTextSettings(Settings):
    """A model of the Hub by its name, or a local folder in its form; needs its fast tokenizer.

    It keeps the dropout of its own configuration. pooling: see `TextEncoder`.
    """

    kind: Literal["pretrained"]
    name: str
    max_tokens: int = Field(256, ge=8)
    pooling: Pooling = "mean"


TextEncoderSettings = Annotated[
    ScratchTextSettings | ConvTextSettings | PretrainedTextSettings, Field(discriminator="kind")
]


class TextEncoder(nn.Module):
    """Token numbers to one vector per report: the mean of the last layer over real tokens.

    Of a network that has kept its pooler it is the pooler's output (BERT: a dense layer and tanh
    on the first token).
    """

    def __init__(self, network: nn.Module, width: int) -> None:
        super().__init__()
        self.network = network
        self.width = width

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Encode token numbers and mask [n, length] as [n, width]."""
        encoded = self.network(input_ids=ids, attention_mask=mask)
        if getattr(self.network, "pooler", None) is not None:
            pooled: Tensor = encoded.pooler_output
            return pooled
        states = encoded.last_hidden_state
        weights = mask.unsqueeze(-1).to(states.dtype)
        mean: Tensor = (states * weights).sum(dim=1) / weights.sum(dim=1)
        return mean


class ConvTextEncoder(TextEncoder):
    """Word vectors and one convolution; the report is the mean and the maximum over its tokens."""

    def __init__(self, settings: ConvTextSettings, vocabulary: int) -> None:
        width = settings.width
        super().__init__(
            nn.Conv1d(width, width, settings.phrase, padding=settings.phrase // 2), 2 * width
        )
        self.words = nn.Embedding(vocabulary, width, padding_idx=PADDING_ID)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Encode token numbers and mask [n, length] as [n, 2 × settings.width]."""
        real = mask.unsqueeze(1).to(self.words.weight.dtype)
        words = self.words(ids).transpose(1, 2) * real
        # Even phrases give one place more than there are tokens.
        phrases = self.network(words)[:, :, : ids.shape[1]].relu() * real
        mean = phrases.sum(dim=2) / real.sum(dim=2)
        return torch.cat([mean, phrases.amax(dim=2)], dim=1)


def build_tokenizer(settings: TextEncoderSettings, reports: Sequence[str]) -> Tokenizer:
    """Train a vocabulary on `reports` (training ones only), or take the pretrained model's."""
    if not isinstance(settings, PretrainedTextSettings):
        return train_tokenizer(reports, vocabulary=settings.vocabulary)
    try:
        tokenizer: Tokenizer = AutoTokenizer.from_pretrained(settings.name).backend_tokenizer
    except (OSError, AttributeError, ValueError) as error:
        raise TextEncoderError(_not_available(settings, "tokenizer")) from error
    return tokenizer


def build_text_encoder(settings: TextEncoderSettings, tokenizer: Tokenizer) -> TextEncoder:
    """Make the encoder; raises TextEncoderError when pretrained weights cannot be had."""
    if not isinstance(settings, PretrainedTextSettings):
        return new_text_encoder(settings, tokenizer.get_vocab_size())
    try:
        network = AutoModel.from_pretrained(settings.name)
    except (OSError, ValueError) as error:
        raise TextEncoderError(_not_available(settings, "weights")) from error
    return take_pretrained(settings, network)


def new_text_encoder(
    settings: ScratchTextSettings | ConvTextSettings, vocabulary: int
) -> TextEncoder:
    """Make an encoder with random weights, for token numbers below `vocabulary`."""
    if isinstance(settings, ConvTextSettings):
        return ConvTextEncoder(settings, vocabulary)
    config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=4 * settings.width,
        max_position_embeddings=padded_length(settings.max_tokens),
        hidden_dropout_prob=settings.dropout,
        attention_probs_dropout_prob=settings.dropout,
        pad_token_id=PADDING_ID,
    )
    network = BertModel(config, add_pooling_layer=settings.pooling == "pooler")
    return TextEncoder(network, settings.width)


def take_pretrained(settings: PretrainedTextSettings, network: PreTrainedModel) -> TextEncoder:
    """Make an encoder of a library's network, with its pooler or without.

    Raises TextEncoderError where it has no pooler, or fewer places than reports have tokens.
    """
    places = getattr(network.config, "max_position_embeddings", None)
    if places is not None and places < padded_length(settings.max_tokens):
        raise TextEncoderError(
            f"text.max_tokens: {settings.max_tokens}, and {settings.name!r} reads at most {places}"
        )
    has_pooler = getattr(network, "pooler", None) is not None
    if settings.pooling == "pooler" and not has_pooler:
        raise TextEncoderError(f"text.name: {settings.name!r} has no pooler; set pooling: mean")
    if settings.pooling == "mean" and has_pooler:
        network.pooler = None  # a parameter without gradient stops DDP
    return TextEncoder(network, network.config.hidden_size)


def _not_available(settings: PretrainedTextSettings, what: str) -> str:
    return (
        f"text.name: the {what} of {settings.name!r} are not on this machine and could not be"
        " fetched; this kind needs a network, or the path of a folder with the model's files"
        " (or use kind: scratch)"
    )
