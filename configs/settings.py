"""The one settings loader: YAML plus `key=value` overrides into a strict, frozen pydantic model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from configs.files import write_text

CONFIG_FOLDER = Path(__file__).parent


class SettingsError(ValueError):
    """Settings that cannot be used; the message names file, line, key and what was expected."""


class Settings(BaseModel):
    """Base of every settings class: unknown keys are refused and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


S = TypeVar("S", bound=Settings)


def load_settings(kind: type[S], path: Path, overrides: Sequence[str] = ()) -> S:
    """Read `path` (YAML), apply `key.inner=value` overrides and validate as `kind`.

    `path` is a file or the name of a YAML file in `configs/` with or without its ending.
    Values of overrides are read as YAML (`3`, `true`, `[a, b]`, `null`).
    Raises SettingsError naming the file, the line, the key, and what was given and expected.
    """
    file = find_config(path)
    try:
        text = file.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{file}: not readable as YAML: {error}") from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise SettingsError(f"{file}: expected keys and values, found a {type(values).__name__}")
    for override in overrides:
        _apply_override(values, override)
    try:
        return kind.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise SettingsError(_describe(error, file, node)) from error


def find_config(path: Path) -> Path:
    """Return `path` when it is a file, else the packaged YAML of that name."""
    packaged = CONFIG_FOLDER / path.name
    for candidate in (path, packaged, packaged.with_name(packaged.name + ".yaml")):
        if candidate.is_file():
            return candidate
    known = ", ".join(sorted(file.stem for file in CONFIG_FOLDER.glob("*.yaml")))
    raise SettingsError(f"{path}: no such settings file. Shipped with Kerley: {known}")


def save_settings(settings: Settings, path: Path) -> None:
    """Write the complete settings as YAML that `load_settings` reads back to an equal object."""
    values = settings.model_dump(mode="json")
    write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, raw = override.partition("=")
    if not equals or not key:
        raise SettingsError(f"{override!r}: expected an override of the form key.inner=value")
    *parents, last = key.split(".")
    inner: Any = values
    for parent in parents:
        inner = inner.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise SettingsError(f"{override!r}: {parent!r} holds a value, not further keys")
    try:
        inner[last] = yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise SettingsError(f"{override!r}: the value is not readable as YAML: {error}") from error


def _describe(error: ValidationError, file: Path, node: yaml.Node | None) -> str:
    lines = []
    for problem in error.errors():
        location = [str(part) for part in problem["loc"]]
        line = _line_of(node, location)
        where = f"{file}, line {line}" if line else str(file)
        given = "" if problem["type"] == "missing" else f" (given: {problem['input']!r})"
        lines.append(f"{where}: {'.'.join(location) or 'settings'}: {problem['msg']}{given}")
    return "\n".join(lines)


def _line_of(node: yaml.Node | None, location: list[str]) -> int | None:
    line: int | None = None
    for part in location:
        if not isinstance(node, yaml.MappingNode):
            break
        for key, value in node.value:
            if key.value == part:
                line, node = key.start_mark.line + 1, value
                break
    return line
