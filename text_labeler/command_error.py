"""The error of a command line that cannot be carried out."""

from __future__ import annotations


class CommandError(ValueError):
    """A command line that cannot be carried out."""
