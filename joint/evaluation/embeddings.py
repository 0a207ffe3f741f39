"""Where a finished joint run places its test images, their reports, and prompts: numbers alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_model
from tokenizers import Tokenizer
from torch import Tensor
from tqdm import tqdm

from configs.files import hash_json, write_atomically
from joint.batch_stream import move_batch
from joint.evaluation.closeness import Closeness
from joint.evaluation.controls import SAME_DATA, read_identity
from joint.evaluation.zero_shot import Prompts, average_prompts
from joint.joint_settings import JointTaskSettings
from joint.joint_task import JointTask
from joint.model import LARGEST_SCALE, JointModel
from joint.pairs import NO_REPORT
from joint.prepare import PreparedData
from joint.resuming.checkpoints import Checkpoints
from joint.resuming.files import DamageError, check_files
from joint.run import build_task
from joint.run_folder import RunFolder
from joint.run_settings import RunSettings
from joint.tokens import encode_reports
from joint.training.launch import make_accelerator

WEIGHTS_NAME = "model.safetensors"

FloatArray = NDArray[np.float64]


class EmbeddingsError(ValueError):
    """A run whose model cannot be asked again; the message says what is missing or has changed."""


@dataclass(frozen=True)
class Embeddings:
    """Places of the test set, in the order of the predictions' test rows.

    images: [rows, width]; study: [rows], which row of `reports` is the image's, or −1 without a
    report; reports: [reports, width]; groups: [reports], equal for reports of the same words;
    prompts: by class, [width]; scale: the inverse temperature; unit_length: whether rows have it;
    measure: of how close two of them are.
    """

    images: FloatArray
    study: NDArray[np.int64]
    reports: FloatArray
    groups: NDArray[np.int64]
    prompts: Mapping[str, FloatArray]
    scale: float
    unit_length: bool
    measure: Closeness


def embed_test_set(
    folder: RunFolder, settings: RunSettings, prepared: PreparedData, prompts: Prompts
) -> Embeddings:
    """Place test images, reports and prompts with the best checkpoint; used again where they stand.

    They are kept in the run's folder as `embeddings.npz`: numbers without ids or text, and stay
    there, since a report's words can be guessed from its place. Raises EmbeddingsError for a run
    without reports, a checkpoint that is not whole, or data that have changed since.
    """
    kind = settings.task
    if not isinstance(kind, JointTaskSettings):
        raise EmbeddingsError(f"task.kind {kind.kind}: only a joint run reads reports")
    checkpoint = _find_best(folder)
    _check_data(folder, prepared)
    key = hash_json([_hash_weights(checkpoint), prompts.content_hash, dict(prepared.hashes)])
    file = folder.embeddings
    known = _read(file, key)
    if known is not None:
        return known
    accelerator = make_accelerator(settings.loop)
    task, _ = build_task(settings, prepared, folder, accelerator)
    model = task.model
    if not (isinstance(task, JointTask) and isinstance(model, JointModel)):
        raise EmbeddingsError(f"{folder.path}: expected a joint model")
    try:
        load_model(model, checkpoint / WEIGHTS_NAME)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise EmbeddingsError(
            f"{checkpoint / WEIGHTS_NAME}: not the weights of this model; the weights of a sharded"
            " run (FSDP) cannot be read here"
        ) from error
    made = _embed(task, model.to(accelerator.device).eval(), accelerator, prepared, prompts, folder)
    _write(file, key, made)
    # What the file holds is what counts, so that a second call gives the same numbers.
    return _read(file, key) or made


@torch.no_grad()
def _embed(
    task: JointTask,
    model: JointModel,
    accelerator: Accelerator,
    prepared: PreparedData,
    prompts: Prompts,
    folder: RunFolder,
) -> Embeddings:
    size, rows = task.settings.batches.size, prepared.rows("test")
    pairs = task.pairs
    reports, study = np.unique(pairs.report_of[rows], return_inverse=True)
    absent = int((reports == NO_REPORT).sum())
    reports = reports[absent:]
    whole, _ = pairs.read(reports, np.zeros(len(reports), np.int64))

    def place_images(part: NDArray[np.int64]) -> Tensor:
        batch = task.prepare(move_batch(task.load(part, step=None), accelerator))
        return model.embed_images(batch["images"])

    def place_reports(part: NDArray[np.int64]) -> Tensor:
        ids, mask = pairs.tokens.pad(part)
        return model.embed_reports(ids.to(accelerator.device), mask.to(accelerator.device))

    classes = prompts.classes()
    tokenizer = Tokenizer.from_file(str(folder.tokenizer))
    texts = [text for ensemble in classes.values() for text in ensemble]
    table = encode_reports(tokenizer, texts, max_tokens=task.settings.text.max_tokens)
    ids, mask = table.pad(np.arange(len(texts)))
    placed = model.embed_reports(ids.to(accelerator.device), mask.to(accelerator.device))
    ends = np.cumsum([len(ensemble) for ensemble in classes.values()])[:-1]
    parts = np.split(placed.double().cpu().numpy(), ends)
    unit, scale = model.has_unit_length, 1.0
    if model.log_scale is not None:
        scale = float(model.log_scale.exp().clamp(max=LARGEST_SCALE))
    return Embeddings(
        images=_in_parts(place_images, rows, size, "embed images"),
        study=study.astype(np.int64).reshape(-1) - absent,
        reports=_in_parts(place_reports, whole, size, "embed reports"),
        groups=pairs.groups[reports],
        prompts={
            name: average_prompts(part, unit_length=unit)
            for name, part in zip(classes, parts, strict=True)
        },
        scale=scale,
        unit_length=unit,
        measure=_name_measure(task.settings),
    )


def _name_measure(settings: JointTaskSettings) -> Closeness:
    loss = settings.losses.contrastive
    is_distance = loss.kind == "ranking" and loss.similarity == "l2"
    return "distance" if is_distance else "product"


def _in_parts(
    place: Callable[[NDArray[np.int64]], Tensor], rows: NDArray[np.int64], size: int, title: str
) -> FloatArray:
    starts = tqdm(range(0, len(rows), size), desc=title, unit="batch", disable=None)
    parts = [place(rows[start : start + size]).double().cpu().numpy() for start in starts]
    return np.concatenate(parts) if parts else np.empty((0, 0))


def _find_best(folder: RunFolder) -> Path:
    best = Checkpoints(folder.checkpoints, {}).best
    if not best.exists():
        raise EmbeddingsError(f"{folder.path}: no checkpoint; finish the run with kerley train")
    return best.resolve()


def _hash_weights(checkpoint: Path) -> str:
    try:
        files: dict[str, str] = check_files(checkpoint)["files"]
    except DamageError as error:
        raise EmbeddingsError(str(error)) from error
    return files.get(WEIGHTS_NAME, "")


def _check_data(folder: RunFolder, prepared: PreparedData) -> None:
    identity = read_identity(folder)
    for name in SAME_DATA:
        if name in identity and identity[name] != prepared.hashes[name]:
            raise EmbeddingsError(f"{folder.path}: its {name} have changed since it was trained")


def _write(file: Path, key: str, made: Embeddings) -> None:
    arrays: dict[str, Any] = {
        "images": made.images.astype(np.float32),
        "study": made.study,
        "reports": made.reports.astype(np.float32),
        "groups": made.groups,
        "prompts": np.stack(list(made.prompts.values())),
    }
    facts = {
        "key": key,
        "scale": made.scale,
        "unit_length": made.unit_length,
        "measure": made.measure,
        "classes": list(made.prompts),
    }
    with write_atomically(file) as temporary, temporary.open("wb") as stream:
        np.savez(stream, facts=np.array(json.dumps(facts)), **arrays)


def _read(file: Path, key: str) -> Embeddings | None:
    if not file.is_file():
        return None
    with np.load(file, allow_pickle=False) as arrays:
        facts = json.loads(str(arrays["facts"]))
        if facts["key"] != key:
            return None
        prompts = arrays["prompts"].astype(np.float64)
        return Embeddings(
            images=arrays["images"].astype(np.float64),
            study=arrays["study"],
            reports=arrays["reports"].astype(np.float64),
            groups=arrays["groups"],
            prompts=dict(zip(facts["classes"], prompts, strict=True)),
            scale=facts["scale"],
            unit_length=facts["unit_length"],
            measure=facts["measure"],
        )
