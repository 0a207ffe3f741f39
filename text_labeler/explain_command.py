"""The commands `kerley explain-report` and `kerley explain-profile`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from text_labeler.command_error import CommandError


def explain_report(
    file: Annotated[
        str | None, typer.Argument(help="A file that holds one report; - reads standard input.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="The report itself, instead of FILE.")] = None,
    profile: Annotated[str, typer.Option(help="What counts as which finding.")] = "chexpert",
    rules: Annotated[Path | None, typer.Option(help="A folder of rules of your own.")] = None,
    finding: Annotated[str | None, typer.Option(help="Show one finding, or severity.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with the words marked.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Say which labels a report gets, and which words, cue, section and rule gave each."""
    from rich.console import Console

    from configs.files import write_text
    from text_labeler.explain import Explainer
    from text_labeler.explain_page import make_page
    from text_labeler.explain_terminal import PLAIN_WIDTH, render_explanation
    from text_labeler.rulebook import RULES_FOLDER

    report = _read_report(file, text)
    explanation = Explainer(profile, rules=rules or RULES_FOLDER)(report)
    if finding is not None:
        explanation = explanation.only(finding)
    if as_json:
        print(json.dumps(explanation.to_record(), indent=2, ensure_ascii=False))
    else:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = PLAIN_WIDTH
        console.print(render_explanation(explanation, console))
    if html is not None:
        write_text(html, make_page(explanation))
        print(f"{html}: the report with its words marked", file=sys.stderr)


def explain_profile(
    name: Annotated[str | None, typer.Argument(help="One profile; all without it.")] = None,
    rules: Annotated[Path | None, typer.Option(help="A folder of rules of your own.")] = None,
) -> None:
    """Print what counts as which finding, as Markdown (docs/label_profiles.md)."""
    from text_labeler.profile_tables import describe_profile, describe_profiles
    from text_labeler.rulebook import RULES_FOLDER, load_rulebook

    book = load_rulebook(rules or RULES_FOLDER)
    page = describe_profiles(book) if name is None else describe_profile(book.profile(name), book)
    print(page, end="")


def _read_report(file: str | None, text: str | None) -> str:
    if (file is None) == (text is None):
        raise CommandError("give either a FILE with a report (- for standard input) or --text")
    if file is None:
        return str(text)
    if file == "-":
        return sys.stdin.buffer.read().decode("utf-8", "replace")
    try:
        return Path(file).read_bytes().decode("utf-8", "replace")
    except OSError as error:
        # Who gives a report's text by mistake must not find it in a log.
        given = file if len(file.split()) == 1 else "FILE"
        raise CommandError(
            f"{given}: cannot be read: {error.strerror}; a report's text itself goes behind --text"
        ) from error
