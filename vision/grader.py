"""The grader: from one X-ray file to a calibrated grade, without reports or training code.

A grader folder holds `grader.safetensors` (weights), `grader.json` (GraderCard) and, once
exported, `grader.onnx`. Nothing in it is ever unpickled, and each file names the others' hash,
so that a swapped one is refused. Grading with ONNX Runtime imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from configs.files import hash_file
from data_cards.findings import SEVERITY_NAMES
from data_cards.lineage import Lineage
from vision.abstention import AbstentionRule
from vision.calibration import FindingCalibration, GradeCalibration
from vision.conformal import ConformalSets
from vision.engine import Engine
from vision.engine_choice import EngineName, open_engine
from vision.framing import CacheSettings, frame_image, read_for_framing, unframe
from vision.gate import LATERAL_VIEWS, GateSettings, find_refusals
from vision.grader_card import (
    GRADER_SCHEMA,
    TOWER_PREFIX,
    GraderCard,
    GraderError,
    read_arrays,
    read_card,
    write_grader,
)
from vision.images import ImageError, XrayImage
from vision.risk_limits import RiskThreshold

if TYPE_CHECKING:
    from vision.tower import ImageTower

__all__ = ["Grade", "Grader", "GraderError"]

DEFAULT_OPERATING_POINT = 0.5
ABSTENTION_PREFIX = "abstention."


@dataclass(frozen=True)
class Grade:
    """What a grader says about one image.

    `severity` is the most probable level of the calibrated `probabilities` (level 0 to 3); both
    are None when the file can't be read. `findings` are calibrated probabilities, `present`
    says which reach their operating point. When `abstain` is true, `reason` says why the grade
    should not be used. `warnings` speak about the file. `severity_range` is the lowest and the
    highest grade of the conformal set, for a grader that has one.
    """

    severity: int | None
    probabilities: tuple[float, float, float, float] | None
    findings: dict[str, float]
    present: dict[str, bool]
    abstain: bool
    reason: str | None
    warnings: tuple[str, ...]
    sha256: str | None
    severity_range: tuple[int, int] | None = None


@dataclass(frozen=True)
class Grader:
    """An image tower with all that turns a file into a grade.

    `engine` computes the tower: `TorchEngine(tower)`, or what `load` opens. `input` is how the
    training images were decoded. `operating_points` maps a finding to the probability from which
    it counts as present (0.5 where none is given). `conformal` says how far the set of likely
    grades reaches. `gate` refuses what is no frontal chest X-ray of an adult; `risk` refuses
    grades that are not sure enough. `provenance` holds names and hashes of what the grader was
    made from, `lineage` the graph behind them, without any path.
    """

    engine: Engine
    input: CacheSettings
    severity_calibration: GradeCalibration | None = None
    finding_calibrations: Mapping[str, FindingCalibration] = field(default_factory=dict)
    operating_points: Mapping[str, float] = field(default_factory=dict)
    abstention: AbstentionRule | None = None
    conformal: ConformalSets | None = None
    gate: GateSettings | None = None
    risk: RiskThreshold | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    lineage: Lineage | None = None

    def __post_init__(self) -> None:
        known = set(self.engine.findings)
        extra = sorted({*self.finding_calibrations, *self.operating_points} - known)
        if extra:
            raise GraderError(f"calibration or operating point for unknown findings {extra}")

    @property
    def tower(self) -> ImageTower:
        """The network in torch, which heatmaps need; read on first use."""
        return self.engine.tower

    def __call__(self, image: Path | XrayImage) -> Grade:
        """Grade one file or decoded image; a file that can't be read gives an abstention."""
        try:
            xray = self._read(image)
        except ImageError as error:
            return _grade_unreadable(error)
        scored = self.engine.score(frame_image(xray, self.input).pixels[np.newaxis])
        levels = level_probabilities(scored.severity_logits)
        if self.severity_calibration is not None:
            levels = self.severity_calibration.apply(levels)
        p0, p1, p2, p3 = (float(p) for p in levels[0])
        scores = self._calibrate_findings(expit(scored.finding_logits[0].astype(np.float64)))
        reason = self._find_reason(xray, scored.embeddings[0], levels[0])
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
            warnings=list_warnings(xray, self.input.size),
            sha256=xray.provenance.sha256,
            severity_range=self._find_range(levels),
        )

    def grade_many(self, paths: Iterable[Path]) -> Iterator[Grade]:
        """Grade files one after another, each exactly as alone."""
        return (self(path) for path in paths)

    def explain(self, image: Path | XrayImage) -> tuple[XrayImage, NDArray[np.float32]]:
        """Give the decoded image and its Grad-CAM heatmap of the same shape, in [0, 1].

        Raises ImageError when the file can't be read.
        """
        from vision.explain import explain_severity
        from vision.torch_engine import prepare_for

        xray = self._read(image)
        framed = frame_image(xray, self.input)
        prepared = prepare_for(self.tower, framed.pixels[np.newaxis])
        (heatmap,) = explain_severity(self.tower, prepared)
        height, width = xray.pixels.shape
        return xray, unframe(heatmap, framed.placement, (height, width))

    def save(self, folder: Path) -> None:
        """Write `grader.safetensors`, then `grader.json`; each atomically.

        An ONNX file that stands there is removed: `vision.onnx_export` writes the new one.
        """
        state = self.tower.state_dict()
        arrays: dict[str, NDArray[Any]] = {
            TOWER_PREFIX + name: tensor.detach().cpu().contiguous().numpy()
            for name, tensor in state.items()
        }
        if self.abstention is not None:
            arrays[f"{ABSTENTION_PREFIX}mean"] = self.abstention.mean
            arrays[f"{ABSTENTION_PREFIX}whitening"] = self.abstention.whitening
        write_grader(folder, self._describe(), arrays)

    @classmethod
    def load(
        cls, folder: Path, *, engine: EngineName = "auto", threads: int | None = None
    ) -> Grader:
        """Read a grader folder; see `open_engine` for the engines and their threads.

        Raises GraderError for a missing or unreadable file, one that doesn't belong there,
        another schema version, unknown keys, weights or settings that aren't those saved
        together, label names other than ours, another preprocessing than this version's, and
        an ONNX file that isn't the one exported from these weights.
        """
        card = read_card(folder)
        rule = None
        if card.abstention is not None:
            rule = AbstentionRule(card.abstention, **read_arrays(folder, ABSTENTION_PREFIX))
        return cls(
            engine=open_engine(folder, card, name=engine, threads=threads),
            input=card.input,
            severity_calibration=card.severity_calibration,
            finding_calibrations=card.finding_calibrations,
            operating_points=card.operating_points,
            abstention=rule,
            conformal=card.conformal,
            gate=card.gate,
            risk=card.risk,
            provenance=card.provenance,
            lineage=card.lineage,
        )

    def _read(self, image: Path | XrayImage) -> XrayImage:
        return image if isinstance(image, XrayImage) else read_for_framing(image, self.input)

    def _calibrate_findings(self, probabilities: NDArray[np.float64]) -> dict[str, float]:
        scores = {}
        for name, probability in zip(self.engine.findings, probabilities, strict=True):
            calibration = self.finding_calibrations.get(name)
            score = calibration.apply(probability) if calibration else probability
            scores[name] = float(score)
        return scores

    def _find_reason(
        self, xray: XrayImage, embedding: NDArray[np.float32], levels: NDArray[np.float64]
    ) -> str | None:
        if self.gate is not None and (refusals := find_refusals(xray, self.gate)):
            return f"refused: {' '.join(refusals)}"
        reason = self.abstention and self.abstention.reason_for(embedding, levels)
        return reason or (self.risk and self.risk.reason_for(levels)) or None

    def _find_range(self, levels: NDArray[np.float64]) -> tuple[int, int] | None:
        if self.conformal is None:
            return None
        (held,) = np.nonzero(self.conformal.apply(levels)[0])
        return int(held[0]), int(held[-1])

    def _describe(self) -> GraderCard:
        return GraderCard(
            schema_version=GRADER_SCHEMA,
            severity_names=SEVERITY_NAMES,
            tower=self.tower.settings.model_dump(mode="json"),
            input=self.input,
            preprocessing_hash=self.input.preprocessing_hash,
            severity_calibration=self.severity_calibration,
            finding_calibrations=dict(self.finding_calibrations),
            operating_points=dict(self.operating_points),
            abstention=None if self.abstention is None else self.abstention.limits,
            conformal=self.conformal,
            gate=self.gate,
            risk=self.risk,
            provenance=dict(self.provenance),
            weights_sha256="",
            lineage=self.lineage,
        )


def level_probabilities(cumulative_logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Turn cumulative logits [n, 3] into probabilities [n, 4], as `severity_probabilities` does."""
    beyond = np.minimum.accumulate(expit(cumulative_logits.astype(np.float64)), axis=1)
    padded = np.pad(beyond, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
    return np.asarray(padded[:, :-1] - padded[:, 1:])


def list_warnings(xray: XrayImage, size: int) -> tuple[str, ...]:
    """Say what is unusual about a file that is framed into a square of `size` pixels."""
    provenance, notes = xray.provenance, []
    if provenance.inverted:
        notes.append("stored as MONOCHROME1, turned")
    if provenance.view in LATERAL_VIEWS:
        notes.append("a lateral view")
    if max(provenance.height, provenance.width) < size:
        notes.append(f"only {provenance.width}×{provenance.height} pixels, enlarged to {size}")
    return (*provenance.warnings, *notes)


def hash_unread(error: ImageError) -> str | None:
    """Give the SHA-256 of a file that is no image; None where it cannot be read at all."""
    try:
        return hash_file(error.path)
    except OSError:
        return None


def _grade_unreadable(error: ImageError) -> Grade:
    reason = f"unreadable: {error.reason}"
    return Grade(None, None, {}, {}, True, reason, (), hash_unread(error))
