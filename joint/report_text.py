"""What a text encoder reads of a report: its findings and impression, or what stands for them."""

from __future__ import annotations

from data_cards.mimic_cxr.sections import choose_section
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
        """Give the read sections in their order; without any, what MIMIC-CXR's rule chooses.

        That is its last paragraph or comparison; of a report that is not laid out so, all of it.
        Empty for a report that is missing or blank.
        """
        if report is None or not report.strip():
            return []
        cased, _ = make_readable(report)
        sections = self._splitter.split(cased)
        read = [cased[s.start : s.end].strip() for s in sections if s.name in READ_SECTIONS]
        if read:
            return read
        chosen = choose_section(cased)
        text = cased[chosen.start : chosen.end] if chosen else cased.strip()
        return [text] if text else []
