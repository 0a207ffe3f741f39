"""The files of a grader folder, and everything for which one is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue, ValidationError, field_validator
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from configs.files import hash_file, hash_json, write_atomically, write_json
from configs.settings import Settings
from data_cards.findings import FINDINGS, SEVERITY_NAMES
from data_cards.lineage import Lineage
from vision.abstention import AbstentionLimits
from vision.calibration import FindingCalibration, GradeCalibration
from vision.conformal import ConformalSets
from vision.framing import CacheSettings
from vision.gate import GateSettings
from vision.risk_limits import RiskThreshold

GRADER_SCHEMA = 1
WEIGHTS_NAME = "grader.safetensors"
ONNX_NAME = "grader.onnx"
CARD_NAME = "grader.json"
TOWER_PREFIX = "tower."
CONTRACT = "contract"

Arrays = dict[str, NDArray[Any]]


class GraderError(ValueError):
    """A grader folder that is refused; the message names the file and what is wrong."""


class GraderCard(Settings):
    """What `grader.json` holds beside the weights.

    `tower` is the JSON of `vision.tower.TowerSettings`, read by whoever builds the network: a
    card is understood without torch.
    """

    schema_version: int
    severity_names: tuple[str, ...]
    tower: dict[str, JsonValue]
    input: CacheSettings
    preprocessing_hash: str
    severity_calibration: GradeCalibration | None
    finding_calibrations: dict[str, FindingCalibration]
    operating_points: dict[str, float]
    abstention: AbstentionLimits | None
    provenance: dict[str, str]
    weights_sha256: str
    onnx_sha256: str | None = None
    conformal: ConformalSets | None = None
    gate: GateSettings | None = None
    risk: RiskThreshold | None = None
    lineage: Lineage | None = None

    @field_validator("tower")
    @classmethod
    def _check_findings(cls, tower: dict[str, JsonValue]) -> dict[str, JsonValue]:
        findings = tower.get("findings")
        if not isinstance(findings, list) or not all(name in FINDINGS for name in findings):
            raise ValueError(f"its findings are {findings}; known are {', '.join(FINDINGS)}")
        return tower

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings in the order of the tower's logits."""
        names = self.tower["findings"]
        return tuple(map(str, names)) if isinstance(names, list) else ()

    @property
    def contract(self) -> str:
        """Hash of all but the files' own hashes; it is stored inside of those files.

        Settings that came after a card was written are not part of it (`exclude_unset`). Of the
        lineage its graph is, without names and dates: training again gives the same bytes.
        """
        exclude = {"weights_sha256", "onnx_sha256", "lineage"}
        values = self.model_dump(mode="json", exclude=exclude, exclude_unset=True)
        if self.lineage is not None:
            values["lineage"] = self.lineage.graph_hash
        return hash_json(values)


def write_grader(folder: Path, card: GraderCard, arrays: Mapping[str, NDArray[Any]]) -> GraderCard:
    """Write the weights, then the card with their hash, each atomically; return that card.

    An ONNX file of earlier weights is removed.
    """
    # Read back, so that defaults count as set: they are part of what is written.
    card = GraderCard.model_validate_json(card.model_dump_json())
    file = folder / WEIGHTS_NAME
    (folder / ONNX_NAME).unlink(missing_ok=True)
    with write_atomically(file) as temporary:
        save_file(dict(arrays), temporary, metadata={CONTRACT: card.contract})
    hashed = card.model_copy(update={"weights_sha256": hash_file(file), "onnx_sha256": None})
    write_card(folder, hashed)
    return hashed


def write_card(folder: Path, card: GraderCard) -> None:
    """Write `grader.json` atomically."""
    write_json(folder / CARD_NAME, card.model_dump(mode="json", exclude_unset=True))


def copy_weights(folder: Path, out: Path) -> None:
    """Copy the weights of a grader to another folder, atomically; nothing where it is the same."""
    source, target = folder / WEIGHTS_NAME, out / WEIGHTS_NAME
    if target.exists() and target.samefile(source):
        return
    with write_atomically(target) as temporary:
        shutil.copyfile(source, temporary)


def read_card(folder: Path) -> GraderCard:
    """Read the card and check it against the folder's files, whose hashes it holds.

    Raises GraderError for all that `Grader.load` refuses, but for what only an engine can see.
    """
    card = _parse_card(folder / CARD_NAME)
    _refuse_other_files(folder)
    _check_hash(folder / WEIGHTS_NAME, card.weights_sha256)
    try:
        with safe_open(folder / WEIGHTS_NAME, "np") as opened:
            contract = (opened.metadata() or {}).get(CONTRACT)
    except SafetensorError as error:
        raise GraderError(f"{folder / WEIGHTS_NAME}: not safetensors: {error}") from error
    if contract != card.contract:
        raise GraderError(
            f"{folder / CARD_NAME}: label names or settings were changed since it was saved"
        )
    return card


def read_model(folder: Path, card: GraderCard) -> bytes | None:
    """Read the ONNX file that the card names; None where it names none.

    Raises GraderError for a file that the card doesn't name, or that it wasn't written for.
    """
    file = folder / ONNX_NAME
    if card.onnx_sha256 is None:
        if file.exists():
            raise GraderError(f"{file} is not named in {CARD_NAME}; write both with kerley export")
        return None
    _check_hash(file, card.onnx_sha256)
    return file.read_bytes()


def read_arrays(folder: Path, prefix: str) -> Arrays:
    """Read the weights whose names start with `prefix`, without it."""
    with safe_open(folder / WEIGHTS_NAME, "np") as opened:
        names = [name for name in opened.keys() if name.startswith(prefix)]  # noqa: SIM118
        return {name.removeprefix(prefix): np.asarray(opened.get_tensor(name)) for name in names}


def _parse_card(file: Path) -> GraderCard:
    try:
        values: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise GraderError(f"{file}: not readable as a grader's JSON: {error}") from error
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != GRADER_SCHEMA:
        raise GraderError(f"{file}: schema version {version!r}; this Kerley reads {GRADER_SCHEMA}")
    try:
        card = GraderCard.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise GraderError(f"{file}: {error}") from error
    if card.severity_names != SEVERITY_NAMES:
        raise GraderError(
            f"{file}: its severity names are {card.severity_names}; expected {SEVERITY_NAMES}"
        )
    if card.preprocessing_hash != card.input.preprocessing_hash:
        raise GraderError(f"{file}: its images were prepared in another way than here")
    return card


def _refuse_other_files(folder: Path) -> None:
    known = {CARD_NAME, WEIGHTS_NAME, ONNX_NAME}
    others = sorted(entry.name for entry in folder.iterdir() if entry.name not in known)
    if others:
        raise GraderError(
            f"{folder}: holds {', '.join(others)}; a grader's folder has only "
            f"{', '.join(sorted(known))}"
        )


def _check_hash(file: Path, sha256: str) -> None:
    if not file.is_file():
        raise GraderError(f"{file}: no such file")
    if hash_file(file) != sha256:
        what = "weights" if file.name == WEIGHTS_NAME else "ONNX file"
        raise GraderError(f"{file}: not the {what} that {CARD_NAME} was written for")
