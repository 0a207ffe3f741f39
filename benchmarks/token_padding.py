"""How many of the tokens that a text encoder reads are padding, and what they cost.

    python -m benchmarks.token_padding --corpus openi --root DIR [--batch 64] [--windows 1 4 16]

Plans one epoch of a corpus's reports as training does, for each `length_window`, and times the
forward and backward pass of a text encoder over it, the windows batch by batch in turns. The last
row pads every batch to 320 tokens, as the founding recipe does. No report is printed or kept.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.published_recipe import TOKENS, pad_tokens
from data_cards.corpora import find_corpus
from joint.report_text import ReportReader
from joint.text_encoder import ScratchTextSettings, TextEncoder, build_text_encoder
from joint.tokens import TokenTable, encode_reports, train_tokenizer
from vision.batches import BatchSettings, Sources, plan_batches


def read_texts(corpus: str, root: Path) -> list[str]:
    """Give what a text encoder reads of each report: findings and impression."""
    reader = ReportReader()
    reports = (study["report"] for study in find_corpus(corpus).read(root).studies)
    return [text for text in ("\n".join(reader.split(report)) for report in reports) if text]


def plan(tokens: TokenTable, batch: int, window: int) -> list[tuple[Tensor, Tensor]]:
    """Give token numbers and mask of the batches of one epoch."""
    lengths = np.diff(tokens.starts)
    rows = np.arange(len(lengths))
    settings = BatchSettings(size=batch, length_window=window)
    sources = Sources(rows[:0], rows[:0], rows)
    batches = plan_batches(sources, settings, seed=0, epoch=0, lengths=lengths)
    return [tokens.pad(each) for each in batches]


def pad_all(tokens: TokenTable, batch: int) -> list[tuple[Tensor, Tensor]]:
    """Give the batches of one epoch, each padded to 320 tokens."""
    reports = [tokens.ids[a:b] for a, b in zip(tokens.starts, tokens.starts[1:], strict=False)]
    return [pad_tokens(reports[i : i + batch], TOKENS) for i in range(0, len(reports), batch)]


def time_epochs(encoder: TextEncoder, plans: dict[str, list]) -> dict[str, float]:
    """Give the seconds of an epoch of each plan, batch by batch in turns."""
    spent = dict.fromkeys(plans, 0.0)
    for batches in zip(*plans.values(), strict=True):
        for name, (ids, mask) in zip(plans, batches, strict=True):
            start = time.perf_counter()
            encoder(ids, mask).square().mean().backward()
            encoder.zero_grad()
            spent[name] += time.perf_counter() - start
    return spent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--corpus", default="openi")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--windows", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=2)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    texts = read_texts(asked.corpus, asked.root)
    settings = ScratchTextSettings(width=asked.width, layers=asked.layers, max_tokens=TOKENS)
    tokenizer = train_tokenizer(texts, vocabulary=settings.vocabulary)
    tokens = encode_reports(tokenizer, texts, max_tokens=TOKENS)
    lengths = np.diff(tokens.starts)
    plans = {f"length_window: {w}": plan(tokens, asked.batch, w) for w in asked.windows}
    plans["all to 320 tokens"] = pad_all(tokens, asked.batch)
    spent = time_epochs(build_text_encoder(settings, tokenizer), plans)
    print(
        f"{len(texts)} reports of {lengths.min()} to {lengths.max()} tokens, {lengths.mean():.0f}"
        f" in the mean; batches of {asked.batch}\n\n"
        "| batches | padding, % of tokens | seconds of an epoch | × |\n|---|---:|---:|---:|"
    )
    slowest = spent["all to 320 tokens"]
    for name, batches in plans.items():
        places = sum(mask.numel() for _, mask in batches)
        share = 1 - lengths.sum() / places
        print(f"| {name} | {100 * share:.1f} | {spent[name]:.2f} | {slowest / spent[name]:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
