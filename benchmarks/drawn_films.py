"""Phantoms drawn as large as films, with reports as long as real ones, for timing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from data_cards.corpora import find_corpus
from data_cards.phantom.generator import make_phantom
from data_cards.phantom.settings import PhantomSettings
from joint.tokens import TokenTable, encode_reports, train_tokenizer
from vision.cache import CacheSettings, ImageCache, build_cache

WORDS = (32, 110)
MOST_TOKENS = 320


@dataclass(frozen=True)
class Studies:
    """Files of 16-bit images, reports as tokens, and the grade that half of the reports say."""

    paths: list[Path]
    tokens: TokenTable
    grades: list[int | None]
    cache: ImageCache

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.tokens.starts)

    def report(self, row: int) -> np.ndarray:
        return self.tokens.ids[self.tokens.starts[row] : self.tokens.starts[row + 1]]


def draw_studies(folder: Path, side: int, count: int, seed: int) -> Studies:
    """Draw phantoms as large as films, and reports of 32 to 110 words of the phantom's."""
    generator = np.random.default_rng(seed)
    drawn = PhantomSettings(studies=2 * count + 20, size=256, seed=seed, masks=False)
    make_phantom(folder / "phantom", drawn, workers=1)
    listing = find_corpus("phantom").read(folder / "phantom")
    words = " ".join(study["report"] for study in listing.studies).split()
    reports, paths = [], []
    for row in range(count):
        start, length = generator.integers(len(words) - WORDS[1]), generator.integers(*WORDS)
        reports.append(" ".join(words[start : start + length]))
        paths.append(folder / f"film-{row}.png")
        source = Image.open(listing.studies[row]["images"][0]["path"]).convert("F")
        film = source.resize((side, side * 5 // 4), Image.Resampling.BICUBIC)
        # Twelve bits in sixteen, as a film's PNG has them, with the noise of its last two.
        bits = np.asarray(film) * 16 + generator.normal(0, 3, film.size[::-1])
        Image.fromarray((bits.clip(0, 4095).astype(np.uint16)) << 4).save(paths[-1])
    tokenizer = train_tokenizer((s["report"] for s in listing.studies), vocabulary=2000)
    settings = CacheSettings(size=side, white_level=65535)
    return Studies(
        paths=paths,
        tokens=encode_reports(tokenizer, reports, max_tokens=MOST_TOKENS),
        grades=[int(generator.integers(4)) if row % 2 else None for row in range(count)],
        cache=build_cache(paths, folder / "cache", settings),
    )
