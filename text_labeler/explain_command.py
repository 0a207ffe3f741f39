"""The command `kerley explain-report`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from text_labeler.command_error import CommandError


def explain_report(
    text: Annotated[str | None, typer.Argument(help="The report; - reads standard input.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file that holds the report.")] = None,
    profile: Annotated[str, typer.Option(help="What counts as which finding.")] = "chexpert",
    html: Annotated[Path | None, typer.Option(help="Write a page with the words marked.")] = None,
) -> None:
    """Say which labels a report gets, and which words, cue and rule gave each."""
    from configs.files import write_text
    from text_labeler.explain import describe_labels, make_page
    from text_labeler.labeler import Labeler

    if (text is None) == (file is None):
        raise CommandError("give either the text of a report or --file FILE")
    if file is not None:
        try:
            report = file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise CommandError(f"{file}: cannot be read: {error.strerror}") from error
    else:
        report = sys.stdin.read() if text == "-" else str(text)
    result = Labeler(profile)(report)
    for line in describe_labels(report, result):
        print(line)
    if html is not None:
        write_text(html, make_page(report, result))
        print(f"{html}: the report with its words marked")
