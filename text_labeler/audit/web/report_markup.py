"""A report as HTML whose text is the report, character by character, and runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from data_cards.findings import PARENTS
from text_labeler.audit.conflicts import SEVERITY
from text_labeler.highlight import highlight
from text_labeler.reading import SEVERITY_EVIDENCE, Evidence


def mark_report(report: str, pieces: Iterable[Evidence] = ()) -> Markup:
    """Return the report escaped, with a `<mark>` around the words of each piece and of its cue.

    HTML turns a bare carriage return into a line feed and drops a zero; so the first is written as
    a reference, and the second as U+FFFD: every offset stays what it was. For `pre-wrap`. A mark's
    title names the section too.
    """
    named = [piece._replace(rule=f"{piece.rule} · in {piece.section}") for piece in pieces]
    html = highlight(report, named)
    return Markup(html.replace("\r", "&#13;").replace("\0", "\ufffd"))  # noqa: S704 - escaped


def list_pieces(evidence: Iterable[Mapping[str, Any]], finding: str) -> list[Evidence]:
    """Return those rows of a label table's evidence that speak of a finding, or of a kind of it.

    For `edema_severity` those of edema as well.
    """
    wanted = {finding} if finding != SEVERITY else {SEVERITY_EVIDENCE, "Edema"}
    wanted |= {name for name, parent in PARENTS.items() if parent in wanted}
    return [Evidence(**row) for row in evidence if row["finding"] in wanted]
