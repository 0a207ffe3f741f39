"""Phantoms drawn as large as films, with reports as long as real ones, for timing."""

from __future__ import annotations

import tempfile
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
VOCABULARY = 8000


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


def draw_reports(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Draw reports of 32 to 110 words; give them, and the texts that their words are from."""
    generator = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        settings = PhantomSettings(studies=200, size=64, seed=seed, masks=False)
        make_phantom(Path(folder), settings, workers=1)
        texts = [study["report"] for study in find_corpus("phantom").read(Path(folder)).studies]
    words = " ".join(texts).split()
    starts = generator.integers(len(words) - WORDS[1], size=count)
    lengths = generator.integers(*WORDS, size=count)
    pairs = zip(starts.tolist(), lengths.tolist(), strict=True)
    return [" ".join(words[a : a + n]) for a, n in pairs], texts


def pick_reports(texts: list[str], count: int, seed: int) -> list[str]:
    """Pick among real reports those of 32 to 110 words; each once."""
    fitting = [text for text in texts if WORDS[0] <= len(text.split()) <= WORDS[1]]
    chosen = np.random.default_rng(seed).choice(len(fitting), count, replace=False)
    return [fitting[i] for i in chosen]


def draw_studies(
    folder: Path, side: int, reports: list[str], texts: list[str], *, seed: int
) -> Studies:
    """Draw a phantom as large as a film for each report; every second one has a grade.

    texts: what the tokenizer's words are learned from.
    """
    generator = np.random.default_rng(seed)
    drawn = PhantomSettings(studies=len(reports), size=256, seed=seed, masks=False)
    make_phantom(folder / "phantom", drawn, workers=1)
    listing, paths = find_corpus("phantom").read(folder / "phantom"), []
    for row, study in enumerate(listing.studies):
        paths.append(folder / f"film-{row}.png")
        source = Image.open(study["images"][0]["path"]).convert("F")
        film = source.resize((side, side * 5 // 4), Image.Resampling.BICUBIC)
        # Twelve bits in sixteen, as a film's PNG has them, with the noise of its last two.
        bits = np.asarray(film) * 16 + generator.normal(0, 3, film.size[::-1])
        Image.fromarray((bits.clip(0, 4095).astype(np.uint16)) << 4).save(paths[-1])
    tokenizer = train_tokenizer(texts, vocabulary=VOCABULARY)
    settings = CacheSettings(size=side, white_level=65535)
    return Studies(
        paths=paths,
        tokens=encode_reports(tokenizer, reports, max_tokens=MOST_TOKENS),
        grades=[int(generator.integers(4)) if row % 2 else None for row in range(len(paths))],
        cache=build_cache(paths, folder / "cache", settings),
    )


def deal(studies: Studies, size: int, generator: np.random.Generator) -> tuple[list, list]:
    """Deal all studies into batches as they come, and the same into batches of like lengths."""
    rows = generator.permutation(len(studies.paths))
    alike = rows[np.argsort(studies.lengths[rows], kind="stable")]
    mixed, sorted_batches = (
        [r[i : i + size] for i in range(0, len(r), size)] for r in (rows, alike)
    )
    return mixed, [sorted_batches[i] for i in generator.permutation(len(sorted_batches))]
