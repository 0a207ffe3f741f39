"""The labeler as a spaCy component: `import text_labeler.component`, then
`nlp.add_pipe("kerley_labeler")` in any pipeline."""

from __future__ import annotations

from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span

from text_labeler.labeler import Labeler, ReportLabels

NAME = "kerley_labeler"
SPANS = "kerley"
EXTENSION = "kerley"


class KerleyComponent:
    """Sets `doc._.kerley` (ReportLabels) and `doc.spans["kerley"]`, one span for each evidence.

    A span's label is `finding:assertion`, its id the rule. Spans are widened to whole tokens of
    the pipeline's tokenizer; the exact characters are in `doc._.kerley.evidence`.
    """

    def __init__(self, profile: str) -> None:
        self._labeler = Labeler(profile)

    def __call__(self, doc: Doc) -> Doc:
        """Label one document."""
        result: ReportLabels = self._labeler(doc.text)
        doc._.set(EXTENSION, result)
        spans = [self._make_span(doc, piece) for piece in result.evidence]
        doc.spans[SPANS] = [span for span in spans if span is not None]
        return doc

    def _make_span(self, doc: Doc, piece: Any) -> Span | None:
        label = f"{piece.finding}:{piece.assertion}"
        return doc.char_span(
            piece.start, piece.end, label=label, span_id=piece.rule, alignment_mode="expand"
        )

    def to_bytes(self, **_kwargs: Any) -> bytes:
        """Return nothing: the profile is in the pipeline's configuration."""
        return b""

    def from_bytes(self, _data: bytes, **_kwargs: Any) -> KerleyComponent:
        """Return the component as its configuration made it."""
        return self

    def to_disk(self, _path: Any, **_kwargs: Any) -> None:
        """Write nothing: the profile is in the pipeline's configuration."""

    def from_disk(self, _path: Any, **_kwargs: Any) -> KerleyComponent:
        """Return the component as its configuration made it."""
        return self


def make_component(nlp: Any, name: str, profile: str) -> KerleyComponent:
    """Make the component for a pipeline; spaCy calls this."""
    if not Doc.has_extension(EXTENSION):
        Doc.set_extension(EXTENSION, default=None)
    return KerleyComponent(profile)


Language.factory(NAME, default_config={"profile": "chexpert"}, func=make_component)
