"""Which labeler reads the reports of a corpus: a setting, and what is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import Field, TypeAdapter, ValidationError

from configs.settings import Settings
from text_labeler.keyword_grader import KeywordGrader
from text_labeler.labeler import Labeler, ReportLabels
from text_labeler.rulebook import RULES_FOLDER


class LabelerError(ValueError):
    """A labeler that does not exist, or a setting that it does not have."""


class ReportLabeler(Protocol):
    """What mining asks of a labeler; `rules_hash` is a SHA-256 over all that its labels follow."""

    @property
    def findings(self) -> Sequence[str]:
        """The findings it speaks of, in the order of the label table."""

    @property
    def rules_hash(self) -> str:
        """SHA-256 of its rules' content."""

    def __call__(self, report: str) -> ReportLabels:
        """Label one report."""


class KerleyLabeler(Settings):
    """Kerley's rules, counted by a profile; `rules` is a folder laid over the shipped ones."""

    kind: Literal["kerley"] = "kerley"
    profile: str = "chexpert"
    rules: Path = RULES_FOLDER


class KeywordLabeler(Settings):
    """The founding paper's keywords (MICCAI 2020): severity only."""

    kind: Literal["miccai2020"] = "miccai2020"


LabelerSettings = Annotated[KerleyLabeler | KeywordLabeler, Field(discriminator="kind")]


def read_labeler_settings(kind: str, **settings: str | Path | None) -> LabelerSettings:
    """Check a command line's choice; None stands for what was not given.

    Raises LabelerError for an unknown kind and for a setting that this kind does not have.
    """
    given = {
        # A worker may stand in another folder than this process.
        name: value.resolve() if isinstance(value, Path) else value
        for name, value in settings.items()
        if value is not None
    }
    try:
        chosen: LabelerSettings = TypeAdapter(LabelerSettings).validate_python(
            {"kind": kind, **given}
        )
    except ValidationError as error:
        problems = error.errors()
        if problems[0]["type"] == "union_tag_invalid":
            expected = problems[0]["ctx"]["expected_tags"]
            raise LabelerError(f"labeler {kind!r}: expected one of {expected}") from None
        names = ", ".join(str(problem["loc"][-1]) for problem in problems)
        raise LabelerError(f"labeler {kind!r}: has no setting {names}") from None
    return chosen


def make_labeler(settings: LabelerSettings) -> ReportLabeler:
    """Load the rules; raises RuleError where they cannot be used."""
    if isinstance(settings, KeywordLabeler):
        return KeywordGrader()
    return Labeler(settings.profile, rules=settings.rules)
