"""Reports as token numbers: a BPE vocabulary trained on the corpus, every report read once.

A trained vocabulary holds words of the corpus. It stays in the run folder (`tokenizer.json`) and
never goes into a grader or to a tracker.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from torch import Tensor

PADDING, UNKNOWN, START, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
SPECIAL_TOKENS = (PADDING, UNKNOWN, START, END, "[MASK]")
PADDING_ID = 0
LENGTH_MULTIPLE = 8
SMALLEST_FREQUENCY = 2
"""A word piece seen once is left out: rare words are where names hide."""


def train_tokenizer(reports: Iterable[str], *, vocabulary: int) -> Tokenizer:
    """Train byte pair encoding (Sennrich et al. 2016), lower case, of at most `vocabulary` pieces.

    BPE and not WordPiece: the trainer of the latter numbers its pieces in an order that changes
    from process to process, and the same seed would no longer give the same model.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(True)]
    )
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=SMALLEST_FREQUENCY,
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    tokenizer.train_from_iterator(reports, trainer)
    tokenizer.post_processor = TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in (START, END)],
    )
    return tokenizer


@dataclass(frozen=True)
class TokenTable:
    """Token numbers of many reports end to end; report i is ids[starts[i]:starts[i + 1]]."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]

    def pad(self, reports: Sequence[int] | NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Give token numbers and mask, both int64 [reports, length].

        length: the longest report here, rounded up to a multiple of 8. Report -1 stands for
        "none": its first place is a padding token that is read, so that no row is empty.
        """
        nothing = self.ids[:0]
        parts = [
            self.ids[self.starts[i] : self.starts[i + 1]] if i >= 0 else nothing for i in reports
        ]
        longest = max((len(part) for part in parts), default=1)
        length = padded_length(longest)
        ids = np.full((len(parts), length), PADDING_ID, np.int64)
        mask = np.zeros((len(parts), length), np.int64)
        mask[:, 0] = 1
        for row, part in enumerate(parts):
            ids[row, : len(part)] = part
            mask[row, : len(part)] = 1
        return torch.from_numpy(ids), torch.from_numpy(mask)


def padded_length(tokens: int) -> int:
    """Give the length that reports of up to `tokens` tokens are padded to."""
    return -(-max(tokens, 1) // LENGTH_MULTIPLE) * LENGTH_MULTIPLE


def encode_reports(tokenizer: Tokenizer, reports: Sequence[str], *, max_tokens: int) -> TokenTable:
    """Read every report once, cut after `max_tokens` (start and end marks included)."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    encoded = [np.array(e.ids, np.int32) for e in tokenizer.encode_batch(list(reports))]
    starts = np.cumsum([0, *(len(ids) for ids in encoded)], dtype=np.int64)
    ids = np.concatenate(encoded) if encoded else np.empty(0, np.int32)
    return TokenTable(ids, starts)
