"""The command line's root: it puts together the sub-commands that each room offers."""

from __future__ import annotations

import sys

import typer

from data_cards.commands import app as data_cards_commands
from joint.commands import app as joint_commands
from text_labeler.commands import app as text_labeler_commands
from vision.commands import app as vision_commands

app = typer.Typer(
    name="kerley",
    help="From chest X-rays and their reports to a model that grades an X-ray from the image alone."
    " Research software: not for clinical use.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for commands in (joint_commands, text_labeler_commands, vision_commands, data_cards_commands):
    app.registered_commands.extend(commands.registered_commands)
    app.registered_groups.extend(commands.registered_groups)


def main() -> None:
    """Run the command line; an error that a user can mend is one line and exit code 2."""
    try:
        app()
    except ValueError as error:
        # Every error class of Kerley that speaks about input is a ValueError with its own words.
        if type(error).__module__.split(".")[0] not in ROOMS:
            raise
        print(f"kerley: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        # A place that the user named and that cannot be read or written; of two paths the first
        # is the temporary one.
        place = error.filename2 or error.filename
        if place is None:
            raise
        print(f"kerley: {place}: {error.strerror}", file=sys.stderr)
        sys.exit(2)


ROOMS = {"configs", "data_cards", "text_labeler", "vision", "joint"}

if __name__ == "__main__":
    main()
