"""Write a grader's tower as ONNX beside its card, checked against torch before it is kept."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from configs.files import hash_file, write_atomically
from vision.engine_choice import describe_model, read_tower
from vision.grader_card import ONNX_NAME, GraderError, copy_weights, read_card, write_card
from vision.onnx_engine import EMBEDDINGS, FINDINGS, INPUT, SEVERITY, OnnxEngine
from vision.threads import choose_threads
from vision.torch_engine import TorchEngine
from vision.tower import ImageTower

MOST_DIFFERENCE = 1e-4
"""From torch, in any output, relative to the largest value where that is above one."""
CHECKED_BATCHES = (1, 2, 5)


class OnnxExport(NamedTuple):
    """The file that was written, and its largest difference from torch."""

    file: Path
    difference: float


def export_grader(folder: Path, out: Path) -> OnnxExport:
    """Write the grader of `folder` to `out` with an ONNX file that its card names.

    `out` may be `folder` itself. The file takes float32 images [n, 1, size, size], prepared as
    `vision.normalisation` does, for any n; the card is written last.
    Raises GraderError for a grader that is refused, a network that ONNX can't express, and one
    whose scores differ from torch's by more than 1e-4.
    """
    card = read_card(folder)
    tower = read_tower(folder, card).eval()
    model = convert_tower(tower, card.input.size, describe_model(card))
    difference = measure_difference(model, tower, card.input.size)
    if not difference <= MOST_DIFFERENCE:
        raise GraderError(
            f"{folder}: its scores in ONNX differ from torch by {difference:.1e}; "
            f"the limit is {MOST_DIFFERENCE:.0e}"
        )
    copy_weights(folder, out)
    file = out / ONNX_NAME
    with write_atomically(file) as temporary:
        temporary.write_bytes(model)
    write_card(out, card.model_copy(update={"onnx_sha256": hash_file(file)}))
    return OnnxExport(file, difference)


def convert_tower(tower: ImageTower, size: int, metadata: dict[str, str]) -> bytes:
    """Give the bytes of an ONNX model of a tower, which takes any number of images at once."""
    scores = _Scores(tower).eval()
    example = torch.zeros(2, 1, size, size)
    # The exporter logs each of its steps; what fails is raised.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        program = torch.onnx.export(
            scores,
            (example,),
            dynamo=True,
            verbose=False,
            input_names=[INPUT],
            output_names=scores.outputs,
            dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}},
        )
    except torch.onnx.OnnxExporterError as error:
        raise GraderError(f"this encoder can't be written as ONNX: {error}") from error
    if program is None:
        raise GraderError("this encoder can't be written as ONNX: the exporter gave nothing")
    model: onnx.ModelProto = program.model_proto
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        # The exporter falls back to the example's batch of 2 without a word.
        raise GraderError("this encoder can't be written as ONNX: it fixes the number of images")
    _forget_sources(model)
    onnx.helper.set_model_props(model, metadata)
    return bytes(model.SerializeToString(deterministic=True))


def measure_difference(model: bytes, tower: ImageTower, size: int) -> float:
    """Largest difference of an ONNX model's scores from torch's, for several batch sizes.

    Measured on noise and on smooth images; relative to an output's largest value above one.
    """
    threads = choose_threads()
    torch_engine = TorchEngine(tower, threads=threads)
    onnx_engine = OnnxEngine(
        model, tower.settings.findings, threads=threads, load_tower=lambda: torch_engine.tower
    )
    worst = 0.0
    for count in CHECKED_BATCHES:
        for images in _draw_images(count, size):
            pairs = zip(torch_engine.score(images), onnx_engine.score(images), strict=True)
            for expected, given in pairs:
                scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
                worst = max(worst, float(np.abs(given - expected).max(initial=0.0)) / scale)
    return worst


class _Scores(nn.Module):
    """The tower's outputs that a grade needs; feature maps are left out."""

    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self.tower = tower
        # A tower without findings has no such output: ONNX has no use for one of width 0.
        self.outputs = [EMBEDDINGS, SEVERITY] + [FINDINGS] * bool(tower.settings.findings)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        # Without the encoder's memory layout for torch, which would become a gather of pixels.
        output = self.tower.grade_features(self.tower.encoder.trunk(images))
        scores = (output.embeddings, output.severity_logits, output.finding_logits)
        return scores[: len(self.outputs)]


def _draw_images(count: int, size: int) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(count)
    noise = rng.integers(0, 256, (count, size, size), dtype=np.uint8)
    slope = np.linspace(0, 255, size)[None, None, :] * rng.uniform(0.2, 1, (count, size, 1))
    return [noise, slope.astype(np.uint8)]


def _forget_sources(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes of our code: stack traces with this machine's paths."""
    graphs = [model.graph, *model.functions]
    for graph in graphs:
        graph.ClearField("doc_string")
        graph.ClearField("metadata_props")
        for part in (*graph.node, *graph.value_info):
            part.ClearField("doc_string")
            part.ClearField("metadata_props")
