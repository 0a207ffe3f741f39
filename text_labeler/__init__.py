"""Reports to labels, each with the words that gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from text_labeler.compiled import use_compiled

if TYPE_CHECKING:
    from text_labeler.labeler import Labeler

__all__ = ["Labeler"]

use_compiled()


def __getattr__(name: str) -> Any:
    """Import the labeler when it is first asked for, so that `kerley --help` stays quick."""
    if name == "Labeler":
        from text_labeler.labeler import Labeler

        return Labeler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
