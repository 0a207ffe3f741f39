"""Grading with ONNX Runtime: the default where a grader has an ONNX file; imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from vision.engine import TowerScores
from vision.grader_card import GraderError
from vision.normalisation import normalise

if TYPE_CHECKING:
    from vision.tower import ImageTower

INPUT = "images"
EMBEDDINGS, SEVERITY, FINDINGS = "embeddings", "severity_logits", "finding_logits"
LOAD_ERRORS = (
    runtime.Fail,
    runtime.InvalidArgument,
    runtime.InvalidGraph,
    runtime.InvalidProtobuf,
    runtime.NotImplemented,
    runtime.RuntimeException,
)
PLAIN_DOMAINS = frozenset({"", "ai.onnx"})
ERRORS_ONLY = 3


class OnnxEngine:
    """An ONNX Runtime session on the CPU; `load_tower` reads the network for heatmaps.

    `model` is the bytes of an ONNX file. Threads wait without spinning: a spinning one takes
    a core away from whatever else runs.
    Raises GraderError for what is no model, points to other files or has operators of its own.
    """

    def __init__(
        self,
        model: bytes,
        findings: tuple[str, ...],
        *,
        threads: int,
        load_tower: Callable[[], ImageTower],
    ) -> None:
        refuse_unsafe(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except LOAD_ERRORS as error:
            raise GraderError(f"not an ONNX model that can run: {error}") from error
        self._outputs = [output.name for output in self._session.get_outputs()]
        expected = [EMBEDDINGS, SEVERITY] + [FINDINGS] * bool(findings)
        if self._outputs != expected or [i.name for i in self._session.get_inputs()] != [INPUT]:
            raise GraderError(
                f"not an ONNX model of a grader: its outputs are {self._outputs}; "
                f"expected {expected} from {INPUT!r}"
            )
        self.findings = findings
        self._load_tower = load_tower

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says about itself: label names and hashes, all of it text."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    @cached_property
    def tower(self) -> ImageTower:
        """The network in torch, read when it is first needed."""
        return self._load_tower()

    def score(self, framed: NDArray[np.uint8]) -> TowerScores:
        """Score framed images, uint8 [n, size, size]."""
        return self.score_prepared(normalise(framed))

    def score_prepared(self, images: NDArray[np.float32]) -> TowerScores:
        """Score prepared images, float32 [n, 1, h, w]."""
        values = self._session.run(self._outputs, {INPUT: images})
        given = dict(zip(self._outputs, values, strict=True))
        none = np.empty((len(images), 0), np.float32)
        return TowerScores(given[EMBEDDINGS], given[SEVERITY], given.get(FINDINGS, none))


def refuse_unsafe(model: bytes) -> None:
    """Raise GraderError unless the bytes are an ONNX model that needs no other file or code."""
    try:
        graph = onnx.load_model_from_string(model)
    except DecodeError as error:
        raise GraderError("not an ONNX model") from error
    if not graph.graph.node:
        raise GraderError("not an ONNX model: it is empty")
    domains = {imported.domain for imported in graph.opset_import} - PLAIN_DOMAINS
    if domains:
        raise GraderError(f"an ONNX model with operators of its own ({', '.join(sorted(domains))})")
    for tensor in _walk_tensors(graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise GraderError(
                f"an ONNX model whose tensor {tensor.name!r} lies in another file; "
                "expected all weights inside"
            )


def _walk_tensors(message: Any) -> Iterator[onnx.TensorProto]:
    """Every tensor at any depth: initializers, attributes, subgraphs, functions."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if hasattr(value, "add") else [value]:
                yield from _walk_tensors(part)
