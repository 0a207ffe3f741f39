"""The grader: from one X-ray file to a calibrated grade, without reports or training code.

A grader folder holds `grader.safetensors` (weights) and `grader.json` (GraderCard). Nothing in
it is ever unpickled, and each file names the other's hash, so that a swapped one is refused.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from configs.files import hash_file
from data_cards.findings import SEVERITY_NAMES
from vision.abstention import AbstentionRule
from vision.calibration import FindingCalibration, SeverityCalibration
from vision.explain import explain_severity
from vision.framing import CacheSettings, frame_image, read_for_framing, unframe
from vision.grader_card import GRADER_SCHEMA, GraderCard, GraderError, read_grader, write_grader
from vision.heads import severity_probabilities
from vision.images import ImageError, XrayImage
from vision.tower import ImageTower
from vision.transforms import prepare_images

__all__ = ["Grade", "Grader", "GraderError"]

DEFAULT_OPERATING_POINT = 0.5
TOWER_PREFIX = "tower."
MEAN_NAME, WHITENING_NAME = "abstention.mean", "abstention.whitening"
LATERAL_VIEWS = frozenset({"LL", "RL", "LLD", "RLD", "LATERAL", "LAT"})


@dataclass(frozen=True)
class Grade:
    """What a grader says about one image.

    `severity` is the most probable level of the calibrated `probabilities` (level 0 to 3); both
    are None when the file can't be read. `findings` are calibrated probabilities, `present`
    says which reach their operating point. When `abstain` is true, `reason` says why the grade
    should not be used. `warnings` speak about the file.
    """

    severity: int | None
    probabilities: tuple[float, float, float, float] | None
    findings: dict[str, float]
    present: dict[str, bool]
    abstain: bool
    reason: str | None
    warnings: tuple[str, ...]
    sha256: str | None


@dataclass(frozen=True)
class Grader:
    """An image tower with all that turns a file into a grade.

    `input` is how the training images were decoded. `operating_points` maps a finding to the
    probability from which it counts as present (0.5 where none is given). `provenance` holds
    names and hashes of what the grader was made from.
    """

    tower: ImageTower
    input: CacheSettings
    severity_calibration: SeverityCalibration | None = None
    finding_calibrations: Mapping[str, FindingCalibration] = field(default_factory=dict)
    operating_points: Mapping[str, float] = field(default_factory=dict)
    abstention: AbstentionRule | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = set(self.tower.settings.findings)
        extra = sorted({*self.finding_calibrations, *self.operating_points} - known)
        if extra:
            raise GraderError(f"calibration or operating point for unknown findings {extra}")
        # A copy: grading must not switch a model in training to evaluation.
        tower = copy.deepcopy(self.tower).eval().requires_grad_(False)
        object.__setattr__(self, "tower", tower)

    def __call__(self, image: Path | XrayImage) -> Grade:
        """Grade one file or decoded image; a file that can't be read gives an abstention."""
        try:
            xray = self._read(image)
        except ImageError as error:
            return _grade_unreadable(error)
        with torch.no_grad():
            output = self.tower(self._prepare(xray))
            levels = severity_probabilities(output.severity_logits.double()).cpu().numpy()
            findings = output.finding_logits.double().sigmoid().cpu().numpy()[0]
        if self.severity_calibration is not None:
            levels = self.severity_calibration.apply(levels)
        p0, p1, p2, p3 = (float(p) for p in levels[0])
        scores = self._calibrate_findings(findings)
        reason = None
        if self.abstention is not None:
            reason = self.abstention.reason_for(output.embeddings[0].cpu().numpy(), levels[0])
        return Grade(
            severity=int(levels[0].argmax()),
            probabilities=(p0, p1, p2, p3),
            findings=scores,
            present={
                name: score >= self.operating_points.get(name, DEFAULT_OPERATING_POINT)
                for name, score in scores.items()
            },
            abstain=reason is not None,
            reason=reason,
            warnings=self._warn(xray),
            sha256=xray.provenance.sha256,
        )

    def grade_many(self, paths: Iterable[Path]) -> Iterator[Grade]:
        """Grade files one after another, each exactly as alone."""
        return (self(path) for path in paths)

    def explain(self, image: Path | XrayImage) -> tuple[XrayImage, NDArray[np.float32]]:
        """Give the decoded image and its Grad-CAM heatmap of the same shape, in [0, 1].

        Raises ImageError when the file can't be read.
        """
        xray = self._read(image)
        (heatmap,) = explain_severity(self.tower, self._prepare(xray))
        height, width = xray.pixels.shape
        placement = frame_image(xray, self.input).placement
        return xray, unframe(heatmap, placement, (height, width))

    def save(self, folder: Path) -> None:
        """Write `grader.safetensors`, then `grader.json`; each atomically."""
        tensors = {TOWER_PREFIX + name: t for name, t in self.tower.state_dict().items()}
        if self.abstention is not None:
            tensors[MEAN_NAME] = torch.from_numpy(self.abstention.mean)
            tensors[WHITENING_NAME] = torch.from_numpy(self.abstention.whitening)
        write_grader(folder, self._describe(), tensors)

    @classmethod
    def load(cls, folder: Path) -> Grader:
        """Read a grader folder.

        Raises GraderError for a missing or unreadable file, another schema version, unknown
        keys, weights or settings that aren't those saved together, label names other than
        ours, and another preprocessing than this version's.
        """
        card, tensors = read_grader(folder)
        tower = ImageTower(card.tower, load_pretrained=False)
        rule = None
        if card.abstention is not None:
            mean, whitening = tensors.pop(MEAN_NAME), tensors.pop(WHITENING_NAME)
            rule = AbstentionRule(card.abstention, mean.numpy(), whitening.numpy())
        try:
            tower.load_state_dict({n.removeprefix(TOWER_PREFIX): t for n, t in tensors.items()})
        except RuntimeError as error:
            raise GraderError(f"{folder}: the weights are not this tower's: {error}") from error
        return cls(
            tower=tower,
            input=card.input,
            severity_calibration=card.severity_calibration,
            finding_calibrations=card.finding_calibrations,
            operating_points=card.operating_points,
            abstention=rule,
            provenance=card.provenance,
        )

    def _read(self, image: Path | XrayImage) -> XrayImage:
        return image if isinstance(image, XrayImage) else read_for_framing(image, self.input)

    def _prepare(self, xray: XrayImage) -> Tensor:
        framed = torch.from_numpy(frame_image(xray, self.input).pixels)
        device = next(self.tower.parameters()).device
        return prepare_images(framed.unsqueeze(0).to(device))

    def _calibrate_findings(self, probabilities: NDArray[np.float64]) -> dict[str, float]:
        scores = {}
        for name, probability in zip(self.tower.settings.findings, probabilities, strict=True):
            calibration = self.finding_calibrations.get(name)
            score = calibration.apply(probability) if calibration else probability
            scores[name] = float(score)
        return scores

    def _warn(self, xray: XrayImage) -> tuple[str, ...]:
        provenance, notes = xray.provenance, []
        if provenance.inverted:
            notes.append("stored as MONOCHROME1, turned")
        if provenance.view in LATERAL_VIEWS:
            notes.append("a lateral view")
        if max(provenance.height, provenance.width) < self.input.size:
            size = f"{provenance.width}×{provenance.height}"
            notes.append(f"only {size} pixels, enlarged to {self.input.size}")
        return (*provenance.warnings, *notes)

    def _describe(self) -> GraderCard:
        return GraderCard(
            schema_version=GRADER_SCHEMA,
            severity_names=SEVERITY_NAMES,
            tower=self.tower.settings,
            input=self.input,
            preprocessing_hash=self.input.preprocessing_hash,
            severity_calibration=self.severity_calibration,
            finding_calibrations=dict(self.finding_calibrations),
            operating_points=dict(self.operating_points),
            abstention=None if self.abstention is None else self.abstention.limits,
            provenance=dict(self.provenance),
            weights_sha256="",
        )


def _grade_unreadable(error: ImageError) -> Grade:
    try:
        sha256 = hash_file(error.path)
    except OSError:
        sha256 = None
    reason = f"unreadable: {error.reason}"
    return Grade(None, None, {}, {}, True, reason, (), sha256)
