"""Make a phantom corpus on disk: draw and write in parallel, resume, index last."""

from __future__ import annotations

import csv
import io
import json
import logging
import multiprocessing
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from tqdm import tqdm

from configs.files import write_atomically, write_json, write_text
from configs.settings import Settings, load_settings, save_settings
from data_cards.phantom.causal import (
    Patient,
    Stream,
    StudyState,
    make_patient,
    plan_patients,
    stream,
)
from data_cards.phantom.render import draw_image
from data_cards.phantom.reporter import write_report
from data_cards.phantom.rows import (
    IMAGE_COLUMNS,
    IMAGE_TRUTH_SCHEMA,
    STUDY_COLUMNS,
    STUDY_TRUTH_SCHEMA,
    image_id,
    image_truth,
    study_id,
    study_row,
    study_truth,
)
from data_cards.phantom.settings import PhantomSettings

__all__ = ["PhantomError", "PhantomSettings", "make_phantom"]

PHANTOM_VERSION = 1
"""Raised whenever the same settings would give other bytes."""

PART_STUDIES = 50
PARTS = ".parts"
NOTE = """This folder holds a phantom corpus made by Kerley: drawn images and invented reports.
No patient, image or report in it is real, and nothing measured on it is evidence about patients.
`phantom.yaml` says how it was made. `truth/` is what no reader of a corpus may look at.
"""

logger = logging.getLogger(__name__)
Rows = dict[str, list[dict[str, Any]]]


class PhantomError(ValueError):
    """A folder that cannot take this phantom; the message says what stands there."""


class PhantomRecord(Settings):
    """What phantom.yaml says: which phantom stands in its folder."""

    version: int
    settings: PhantomSettings


@dataclass(frozen=True)
class Part:
    """A run of patients that one process makes in one go: their studies counted per patient."""

    number: int
    first_patient: int
    first_study: int
    studies: tuple[int, ...]


def make_phantom(root: Path, settings: PhantomSettings, *, workers: int = 1) -> None:
    """Make the corpus of `settings` under `root` with `workers` processes.

    The bytes depend on the settings alone. An interrupted run is taken up where it stopped, a
    finished one is left as it is. Raises PhantomError when `root` holds anything else.
    """
    _claim(root, settings)
    if (root / "studies.csv").is_file():
        logger.info("%s: this phantom stands already", root)
        return
    parts = _split_into_parts(plan_patients(settings.seed, settings.studies))
    waiting = [part for part in parts if not _part_file(root, part).is_file()]
    done = settings.studies - sum(sum(part.studies) for part in waiting)
    with tqdm(total=settings.studies, initial=done, desc="phantom", unit="study") as bar:
        for part in _make_parts(root, settings, waiting, workers):
            bar.update(sum(part.studies))
    _write_index(root, parts)


def _claim(root: Path, settings: PhantomSettings) -> None:
    """Write phantom.yaml into a new folder, or check that the one there asks for the same."""
    file = root / "phantom.yaml"
    wanted = PhantomRecord(version=PHANTOM_VERSION, settings=settings)
    if not file.is_file():
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise PhantomError(f"{root}: not empty and holds no phantom.yaml; give a new folder")
        save_settings(wanted, file)
        write_text(root / "README", NOTE)
        return
    found = load_settings(PhantomRecord, file)
    if found.version != PHANTOM_VERSION:
        raise PhantomError(
            f"{root}: holds a phantom of version {found.version}, this is {PHANTOM_VERSION};"
            " delete the folder or give a new one"
        )
    if found != wanted:
        there, asked = found.settings.model_dump(), settings.model_dump()
        differ = ", ".join(
            f"{key} {there[key]} (asked for {asked[key]})"
            for key in asked
            if there[key] != asked[key]
        )
        raise PhantomError(
            f"{root}: holds a phantom of other settings: {differ};"
            " delete the folder or give a new one"
        )


def _split_into_parts(counts: Sequence[int]) -> list[Part]:
    parts: list[Part] = []
    patient = study = 0
    while patient < len(counts):
        end, studies = patient, 0
        while end < len(counts) and studies < PART_STUDIES:
            studies += counts[end]
            end += 1
        parts.append(Part(len(parts), patient, study, tuple(counts[patient:end])))
        patient, study = end, study + studies
    return parts


def _make_parts(
    root: Path, settings: PhantomSettings, parts: Sequence[Part], workers: int
) -> Iterator[Part]:
    for folder in ("images", "reports", "truth/lung_masks", "truth/sign_masks", PARTS):
        (root / folder).mkdir(parents=True, exist_ok=True)
    if workers == 1 or len(parts) < 2:
        for part in parts:
            yield _make_part(root, settings, part)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(parts)), mp_context=context) as pool:
        futures = [pool.submit(_make_part, root, settings, part) for part in parts]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _make_part(root: Path, settings: PhantomSettings, part: Part) -> Part:
    """Draw and write the part's studies, then its rows, atomically.

    Images and reports are written in place: they count only once the rows stand, and a part
    without rows is made again from its beginning.
    """
    rows: Rows = {"studies": [], "images": [], "study_truth": [], "image_truth": []}
    study = part.first_study
    for index, count in enumerate(part.studies):
        patient = make_patient(settings.seed, part.first_patient + index, study, count)
        for visit, state in enumerate(patient.studies):
            report = write_report(settings, patient, visit)
            (root / "reports" / f"{study_id(state.number)}.txt").write_bytes(report.text.encode())
            rows["studies"].append(study_row(patient, state))
            rows["study_truth"].append(study_truth(patient, state, report))
            _make_images(root, settings, (patient, state), rows)
        study += count
    write_json(_part_file(root, part), rows)
    return part


def _make_images(
    root: Path, settings: PhantomSettings, study: tuple[Patient, StudyState], rows: Rows
) -> None:
    patient, state = study
    for number, view in enumerate(state.views):
        rng = stream(settings.seed, Stream.IMAGE, state.number, number)
        drawn = draw_image(patient, state, view, settings.size, rng)
        name = f"{image_id(state.number, number)}.png"
        (root / "images" / name).write_bytes(_encode_png(drawn.pixels))
        if settings.masks:
            (root / "truth/lung_masks" / name).write_bytes(_encode_png(drawn.lung_mask))
            (root / "truth/sign_masks" / name).write_bytes(_encode_png(drawn.sign_mask))
        rows["images"].append(
            {"study_id": study_id(state.number), "path": f"images/{name}", "view": view}
        )
        rows["image_truth"].append(image_truth(state.number, number, drawn))


def _encode_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _part_file(root: Path, part: Part) -> Path:
    return root / PARTS / f"{part.number:06d}.json"


def _write_index(root: Path, parts: Sequence[Part]) -> None:
    """Join the parts' rows into the tables; studies.csv, written last, says all is there."""
    rows: Rows = {"studies": [], "images": [], "study_truth": [], "image_truth": []}
    for part in parts:
        for table, more in json.loads(_part_file(root, part).read_text("utf-8")).items():
            rows[table].extend(more)
    _write_parquet(root / "truth/studies.parquet", rows["study_truth"], STUDY_TRUTH_SCHEMA)
    _write_parquet(root / "truth/images.parquet", rows["image_truth"], IMAGE_TRUTH_SCHEMA)
    write_text(root / "images.csv", _format_csv(IMAGE_COLUMNS, rows["images"]))
    write_text(root / "studies.csv", _format_csv(STUDY_COLUMNS, rows["studies"]))
    shutil.rmtree(root / PARTS)


def _write_parquet(path: Path, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    with write_atomically(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema), temporary, compression="zstd")


def _format_csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
