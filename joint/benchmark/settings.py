"""The settings of the benchmark with known truth: three sizes, and what is noisy in each unit."""

from __future__ import annotations

from pydantic import Field

from configs.files import hash_json
from configs.settings import Settings
from data_cards.phantom.settings import (
    REAL_PERCEPTION_BIAS,
    REAL_PERCEPTION_SIGMA,
    PhantomSettings,
)

LABELERS = 3
"""Labeling functions in every scenario: the fewest that a label model can tell apart."""

ANCHORS = 141
"""Studies with a trusted grade of the image, as many as MIMIC-CXR's consensus set has."""


UNTRAINED = {"noise_rates", "label_counts", "shortcut", "seeds", "curve_seeds", "resamples"}
"""Settings that say which units there are, and change none of them."""


class Scenario(Settings):
    """What a unit is taught from; the truth it is judged by is always the image's.

    labelled: how many training reports were graded. noise_rate: channel E, the share of grades
    that each labeling function gets wrong. perception_bias, perception_sigma: channel R, in
    probits (see `data_cards/phantom/perception.py`). shortcut: the share of training studies in
    which a support device goes with edema; null leaves devices as they are drawn.
    """

    labelled: int = Field(ge=4)
    noise_rate: float = Field(ge=0, lt=1)
    perception_bias: float = 0.0
    perception_sigma: float = Field(0.0, ge=0)
    shortcut: float | None = Field(None, gt=0.5, lt=1)

    @property
    def name(self) -> str:
        """Short and usable as a folder's name; equal for equal scenarios only."""
        parts = [f"labelled{self.labelled}", f"noise{self.noise_rate:g}"]
        if self.perception_bias or self.perception_sigma:
            parts.append(f"reader{self.perception_bias:g}_{self.perception_sigma:g}")
        if self.shortcut is not None:
            parts.append(f"shortcut{self.shortcut:g}")
        return "-".join(parts)


class BenchmarkSettings(Settings):
    """Everything that decides the numbers of a benchmark.

    studies: of the phantom, of which seven of ten train and two test. image_size: side in
    pixels. steps, batch: of every run (the two-phase recipe takes half as many again for its
    second phase). labelled: graded reports in the main scenario; reader_labelled: in the one
    with channel R. seeds: how many each family of runs has; `curve_seeds`: how many the label
    curve and the shortcut have.
    """

    studies: int = Field(ge=100)
    image_size: int = Field(64, ge=32)
    drawn_size: int = Field(96, ge=64)
    corpus_seed: int = 0
    severity_stated: float = Field(0.9, gt=0, le=1)
    steps: int = Field(ge=2)
    batch: int = Field(64, ge=4)
    labelled: int = Field(ge=8)
    reader_labelled: int = Field(ge=8)
    noise_rate: float = 0.3
    noise_rates: tuple[float, ...] = (0.0, 0.6)
    label_counts: tuple[int, ...] = ()
    shortcut: float = 0.9
    seeds: int = Field(5, ge=1)
    curve_seeds: int = Field(ge=1)
    resamples: int = Field(1000, ge=20)

    @property
    def identity(self) -> str:
        """Name what decides a unit's numbers; results under another name are not used again."""
        return hash_json(self.model_dump(mode="json", exclude=UNTRAINED))

    def drawn(self) -> PhantomSettings:
        """Give the phantom as it is drawn; no setting of its reports changes an image."""
        return PhantomSettings(
            studies=self.studies, size=self.drawn_size, seed=self.corpus_seed, masks=False
        )

    def phantom(self, *, bias: float = 0.0, sigma: float = 0.0) -> PhantomSettings:
        """Give the phantom whose reporter perceives so."""
        changes = {
            "severity_stated": self.severity_stated,
            "perception_bias": bias,
            "perception_sigma": sigma,
        }
        return self.drawn().model_copy(update=changes)

    def main(self) -> Scenario:
        """Channel E alone: reports that describe the image, graded with errors."""
        return Scenario(labelled=self.labelled, noise_rate=self.noise_rate)

    def reader(self) -> Scenario:
        """Both channels: the reporter over-calls as MIMIC-CXR's do, and extraction errs as well."""
        return Scenario(
            labelled=self.reader_labelled,
            noise_rate=self.noise_rate,
            perception_bias=REAL_PERCEPTION_BIAS,
            perception_sigma=REAL_PERCEPTION_SIGMA,
        )


SIZES: dict[str, BenchmarkSettings] = {
    "tiny": BenchmarkSettings(
        studies=2400,
        steps=150,
        labelled=100,
        reader_labelled=400,
        seeds=2,
        curve_seeds=1,
        resamples=200,
    ),
    "small": BenchmarkSettings(
        studies=8600,
        steps=600,
        labelled=200,
        reader_labelled=1200,
        label_counts=(50, 1000),
        curve_seeds=3,
    ),
    "full": BenchmarkSettings(
        studies=30_000,
        image_size=128,
        drawn_size=128,
        steps=3000,
        labelled=500,
        reader_labelled=4000,
        noise_rates=(0.0, 0.15, 0.45, 0.6),
        label_counts=(50, 150, 1500, 5000),
        curve_seeds=5,
    ),
}
