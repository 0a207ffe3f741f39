"""The one settings loader: YAML plus `key=value` overrides into a strict, frozen pydantic model."""

from __future__ import annotations

import json
import re
import reprlib
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

    @classmethod
    def write_out(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Turn the short forms of a file's values into the full one; others are left as they are.

        Called before validation: a validator of pydantic's would see JSON as Python values, of
        which strict settings take no list for a tuple.
        """
        return values


S = TypeVar("S", bound=Settings)


def load_settings(kind: type[S], path: Path, overrides: Sequence[str] = ()) -> S:
    """Read `path` (YAML), apply `key.inner=value` overrides and validate as `kind`.

    `path` is a file or the name of a YAML file in `configs/` with or without its ending.
    Values of overrides are read as YAML (`3`, `true`, `[a, b]`, `null`).
    Raises SettingsError naming the file, the line, the key, and what was given and expected.
    """
    file, node, values, overridden = _read(path, overrides)
    try:
        return kind.model_validate_json(json.dumps(kind.write_out(values), default=str))
    except ValidationError as error:
        raise SettingsError(_describe(error, file, node, overridden)) from error


def peek_setting(path: Path, overrides: Sequence[str], key: str) -> Any:
    """Give one value (`task.kind`) as `load_settings` would read it, unvalidated; None without it.

    Raises SettingsError for a file or an override that cannot be read.
    """
    _, _, value, _ = _read(path, overrides)
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def find_config(path: Path) -> Path:
    """Return `path` when it is a file, else the packaged YAML of that name."""
    packaged = CONFIG_FOLDER / path.name
    for candidate in (path, packaged, packaged.with_name(packaged.name + ".yaml")):
        if candidate.is_file():
            return candidate
    known = ", ".join(sorted(file.stem for file in CONFIG_FOLDER.glob("*.yaml")))
    raise SettingsError(f"{path}: no such settings file. Shipped with Kerley: {known}")


def tell_first(error: ValidationError) -> str:
    """Say in one line where the first fault of JSON is, without the values: they may be private."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(map(str, first["loc"])) or "file"
    return f"{where}: {first['msg']}"


def save_settings(settings: Settings, path: Path) -> None:
    """Write the complete settings as YAML that `load_settings` reads back to an equal object."""
    values = settings.model_dump(mode="json")
    text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    write_text(path, text)


class _Loader(yaml.SafeLoader):
    """YAML with numbers as YAML 1.2 and Python write them: `1e-4` is a number, not a text."""


class _Dumper(yaml.SafeDumper):
    """Quotes the texts that `_Loader` would read as numbers."""


_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*)(\.[0-9_]*)?[eE][-+]?[0-9]+$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789"))


def _refuse_repeated_keys(node: yaml.Node | None, file: Path) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item, file)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if key.value in seen:
            line = key.start_mark.line + 1
            raise SettingsError(f"{file}, line {line}: {key.value}: named a second time")
        seen.add(key.value)
        _refuse_repeated_keys(value, file)


def _read(
    path: Path, overrides: Sequence[str]
) -> tuple[Path, yaml.Node | None, Any, list[list[str]]]:
    """Read a YAML file and apply overrides: the file, its tree, its values, the keys set."""
    file = find_config(path)
    try:
        text = file.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=_Loader)
        values = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"{file}: not readable as YAML: {error}") from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise SettingsError(f"{file}: expected keys and values, found a {type(values).__name__}")
    _refuse_repeated_keys(node, file)
    overridden = [_apply_override(values, override) for override in overrides]
    return file, node, values, overridden


def _apply_override(values: dict[str, Any], override: str) -> list[str]:
    """Set one value; return its key in parts."""
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
        inner[last] = yaml.load(raw, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"{override!r}: the value is not readable as YAML: {error}") from error
    return [*parents, last]


def _describe(
    error: ValidationError, file: Path, node: yaml.Node | None, overridden: list[list[str]]
) -> str:
    lines = []
    for problem in error.errors():
        location = [str(part) for part in problem["loc"]]
        line = _line_of(node, location)
        where = f"{file}, line {line}" if line else str(file)
        if any(_is_subsequence(key, location) for key in overridden):
            where = "override"
        given = (
            "" if problem["type"] == "missing" else f" (given: {reprlib.repr(problem['input'])})"
        )
        lines.append(f"{where}: {'.'.join(location) or 'settings'}: {problem['msg']}{given}")
    return "\n".join(lines)


def _is_subsequence(key: list[str], location: list[str]) -> bool:
    """Tell whether a key lies on a location, which also names the kinds of tagged unions."""
    parts = iter(location)
    return all(part in parts for part in key)


def _line_of(node: yaml.Node | None, location: list[str]) -> int | None:
    """Return the line of the deepest part of a location that the file holds."""
    line: int | None = None
    for part in location:
        if isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
            continue
        if not isinstance(node, yaml.MappingNode):
            break
        for key, value in node.value:
            if key.value == part:
                line, node = key.start_mark.line + 1, value
                break
    return line
