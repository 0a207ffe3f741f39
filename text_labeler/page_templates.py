"""The Jinja environment of this room's pages: everything is escaped, nothing may be missing."""

from __future__ import annotations

import jinja2

from text_labeler.highlight import make_visible


def open_templates() -> jinja2.Environment:
    """Return the environment of this room's `.j2` files; `|visible` shows every character."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("text_labeler", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = make_visible
    return environment
