"""What a text encoder reads of a report: its findings and impression, or all of it."""

from __future__ import annotations

from text_labeler.rulebook import RULES_FOLDER, load_rulebook
from text_labeler.sections import SectionSplitter
from text_labeler.sentences import make_readable

READ_SECTIONS = ("findings", "impression", "addendum")


class ReportReader:
    """Picks the sections that speak about the image; history and technique say what was known."""

    def __init__(self) -> None:
        self._splitter = SectionSplitter(load_rulebook(RULES_FOLDER).sections)

    def __call__(self, report: str | None) -> str | None:
        """Join the read sections in their order; None for a report that is missing or blank."""
        return "\n".join(self.split(report)) or None

    def split(self, report: str | None) -> list[str]:
        """Give the read sections in their order; the whole report where it has none of them.

        Empty for a report that is missing or blank.
        """
        if report is None or not report.strip():
            return []
        cased, _ = make_readable(report)
        sections = self._splitter.split(cased)
        read = [cased[s.start : s.end].strip() for s in sections if s.name in READ_SECTIONS]
        return read or [text for text in (cased.strip(),) if text]
