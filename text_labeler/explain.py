"""Says why a report has its labels: each with its sentence, cue and rule, as text or as HTML."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from text_labeler.highlight import STYLE, highlight
from text_labeler.labeler import Evidence, ReportLabels

_CONTEXT = 80


def describe_labels(report: str, result: ReportLabels) -> Iterator[str]:
    """Give lines of text: the labels, the severity, and each piece of evidence in its words."""
    for finding, code in result.labels.items():
        if code is not None:
            yield f"{finding}: {code} (p {result.probabilities[finding]:.2f})"
    if result.severity is None or result.severity_probabilities is None:
        yield "Edema severity: not mentioned"
    else:
        shares = ", ".join(f"{share:.2f}" for share in result.severity_probabilities)
        yield f"Edema severity: {result.severity} (p {shares})"
    if result.truncated:
        yield "Only the beginning of this report was read."
    if result.evidence:
        yield ""
    for piece in result.evidence:
        yield _describe(report, piece)


def _describe(report: str, piece: Evidence) -> str:
    words = " ".join(report[piece.start : piece.end].split())
    cue = ""
    if piece.cue_start is not None:
        cue = f", cue “{' '.join(report[piece.cue_start : piece.cue_end].split())}”"
    details = "".join(f", {word}" for word in (piece.grade, piece.change) if word)
    before = " ".join(report[max(0, piece.start - _CONTEXT) : piece.start].split())
    after = " ".join(report[piece.end : piece.end + _CONTEXT].split())
    return (
        f"{piece.finding}: {piece.assertion} by “{words}”{cue}{details}"
        f" [{piece.section} {piece.start}:{piece.end}, rule {piece.rule}]\n"
        f"    … {before} «{words}» {after} …"
    )


def make_page(report: str, result: ReportLabels) -> str:
    """Return a self-contained HTML page: the report with its evidence marked, then the labels."""
    rows = "".join(f"<li>{escape(line)}</li>" for line in describe_labels(report, result) if line)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Why these labels</title>'
        f"<style>body{{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto}}"
        f"pre{{white-space:pre-wrap;font:inherit}}{STYLE}</style></head><body>"
        f"<pre>{highlight(report, result.evidence)}</pre><ul>{rows}</ul>"
        "<p>Not for clinical use.</p></body></html>\n"
    )
