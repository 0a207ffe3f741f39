"""The labeler as a spaCy component: `nlp.add_pipe("kerley_labeler")` in any pipeline.

Where the project is installed, spaCy finds the component by its name; elsewhere
`import text_labeler.component` makes it known.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypedDict

from spacy.language import Language
from spacy.tokens import Doc, Span

from configs.files import write_json, write_text
from text_labeler.labeler import Evidence, Labeler, ReportLabels
from text_labeler.rule_files import RuleError
from text_labeler.rulebook import RULES_FOLDER

NAME = "kerley_labeler"
SPANS = "kerley"
EXTENSION = "kerley"

_KEY = ("._.", EXTENSION, None, None)
"""Where spaCy keeps an extension's value in `doc.user_data`, which it saves with a document."""

_SETTINGS_FILE = "settings.json"
_RULES_FOLDER = "rules"
_log = logging.getLogger(__name__)


class _State(TypedDict):
    """What is saved: the profile, the texts of the rule files if they are not the shipped ones,
    and the hash of all rules, by which a change of the shipped ones is seen."""

    profile: str
    rules: dict[str, str] | None
    rules_hash: str


class KerleyComponent:
    """Sets `doc._.kerley` (ReportLabels) and `doc.spans["kerley"]`, one span for each evidence.

    A span's label is `finding:assertion`, its id the rule; spans stand in the order of
    `doc._.kerley.evidence`. They are widened to whole tokens of the pipeline's tokenizer; the exact
    characters are in the evidence. The pipeline saves the component with its rules. Since a saved
    pipeline may come to where its `rules` are no folder, faulty rules of one's own raise RuleError
    with the first document.
    """

    def __init__(self, profile: str = "chexpert", rules: Path | None = None) -> None:
        self._profile = profile
        self._texts: dict[str, str] | None = None
        self._labeler: Labeler | None = None
        self._fault: RuleError | None = None
        if rules is None:
            self._labeler = Labeler(profile)
            return
        try:
            self._texts = _read_texts(rules)
            self._labeler = Labeler(profile, rules=rules)
        except RuleError as error:
            self._fault = error

    @property
    def labeler(self) -> Labeler:
        """The labeler of these rules; raises RuleError when there is none."""
        if self._labeler is None:
            raise RuleError(str(self._fault)) from self._fault
        return self._labeler

    def __call__(self, doc: Doc) -> Doc:
        """Label one document."""
        result = self.labeler(doc.text)
        doc.user_data[_KEY] = _to_plain(result)
        doc.spans[SPANS] = [_make_span(doc, piece) for piece in result.evidence]
        return doc

    def to_bytes(self, **_kwargs: Any) -> bytes:
        """Return profile and rules."""
        return json.dumps(self._get_state()).encode()

    def from_bytes(self, data: bytes, **_kwargs: Any) -> KerleyComponent:
        """Take profile and rules from `to_bytes`."""
        return self._set_state(json.loads(data))

    def to_disk(self, path: str | Path, **_kwargs: Any) -> None:
        """Write profile and rules into the folder `path`: settings.json, and rules/*.yaml."""
        state = self._get_state()
        folder = Path(path) / _RULES_FOLDER
        for old in folder.glob("*.yaml"):
            old.unlink()
        for name, text in (state["rules"] or {}).items():
            write_text(folder / name, text)
        settings = {"profile": state["profile"], "rules_hash": state["rules_hash"]}
        write_json(Path(path) / _SETTINGS_FILE, settings)

    def from_disk(self, path: str | Path, **_kwargs: Any) -> KerleyComponent:
        """Take profile and rules from the folder `path`; RuleError when they are not there."""
        file = Path(path) / _SETTINGS_FILE
        folder = Path(path) / _RULES_FOLDER
        try:
            settings = json.loads(file.read_text(encoding="utf-8"))
            state = _State(
                profile=settings["profile"],
                rules=(_read_texts(folder) if folder.is_dir() else {}) or None,
                rules_hash=settings["rules_hash"],
            )
        except (OSError, ValueError, KeyError) as error:
            raise RuleError(f"{file}: cannot be read; expected what to_disk wrote") from error
        return self._set_state(state)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what is saved; what was remembered of sentences stays behind."""
        return _restore, (self._get_state(),)

    def _get_state(self) -> _State:
        return _State(profile=self._profile, rules=self._texts, rules_hash=self.labeler.rules_hash)

    def _set_state(self, state: _State) -> KerleyComponent:
        self._profile, self._texts, self._fault = state["profile"], state["rules"], None
        self._labeler = _make_labeler(self._profile, self._texts)
        if self._labeler.rules_hash != state["rules_hash"]:
            _log.warning(
                "saved with other rules (%.12s) than these (%.12s): labels can differ",
                state["rules_hash"],
                self._labeler.rules_hash,
            )
        return self


def _restore(state: _State) -> KerleyComponent:
    return KerleyComponent.__new__(KerleyComponent)._set_state(state)


def _read_texts(folder: Path) -> dict[str, str]:
    try:
        files = sorted(folder.glob("*.yaml"))
        return {file.name: file.read_text(encoding="utf-8") for file in files}
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{folder}: rules cannot be read: {error}") from error


def _make_labeler(profile: str, texts: Mapping[str, str] | None) -> Labeler:
    if texts is None:
        return Labeler(profile, rules=RULES_FOLDER)
    with TemporaryDirectory(prefix="kerley-rules-") as folder:
        for name, text in texts.items():
            (Path(folder) / Path(name).name).write_text(text, encoding="utf-8")
        return Labeler(profile, rules=Path(folder))


def _make_span(doc: Doc, piece: Evidence) -> Span:
    label = f"{piece.finding}:{piece.assertion}"
    return doc.char_span(
        piece.start, piece.end, label=label, span_id=piece.rule, alignment_mode="expand"
    )


def _to_plain(result: ReportLabels) -> dict[str, Any]:
    """Return it as values that a document can be saved with."""
    return {**result._asdict(), "evidence": [tuple(piece) for piece in result.evidence]}


def _get_labels(doc: Doc) -> ReportLabels | None:
    """Return what the component found, also in a document that was saved and read."""
    plain = doc.user_data.get(_KEY)
    if plain is None:
        return None
    probabilities: Sequence[float] | None = plain["severity_probabilities"]
    return ReportLabels(
        **{
            **plain,
            "severity_probabilities": probabilities and tuple(probabilities),
            "evidence": [Evidence(*piece) for piece in plain["evidence"]],
        }
    )


def make_component(nlp: Language, name: str, profile: str, rules: str | None) -> KerleyComponent:
    """Make the component for a pipeline; spaCy calls this."""
    return KerleyComponent(profile, None if rules is None else Path(rules))


Language.factory(
    NAME,
    default_config={"profile": "chexpert", "rules": None},
    assigns=[f"doc._.{EXTENSION}", "doc.spans"],
    func=make_component,
)
Doc.set_extension(EXTENSION, getter=_get_labels, force=True)
