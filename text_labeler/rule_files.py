"""Reads one YAML file of rules so that every complaint about it can name the line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from configs.settings import Settings

Key = tuple[str | int, ...]
S = TypeVar("S", bound=Settings)


class _RuleLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML in which `no`, `yes`, `on` and `off` are words, not truth values; in C where it can."""

    yaml_implicit_resolvers = {  # noqa: RUF012  the base class declares its type
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class RuleError(ValueError):
    """Rules that cannot be used; the message names the file, the line and what was expected."""


@dataclass(frozen=True)
class RuleFile:
    """The values of one YAML file and where each key or list item stands (`cues.yaml, line 12`)."""

    path: Path
    values: Any
    places: dict[Key, str]

    def place(self, key: Key) -> str:
        """Say where `key` stands: `cues.yaml, line 12`; for a missing key, its nearest parent."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key, f"{self.path.name}, line 1")

    def validate(self, kind: type[S]) -> S:
        """Check the values against `kind`; raises RuleError with one line for each problem."""
        try:
            return kind.model_validate_json(json.dumps(self.values, default=str))
        except ValidationError as error:
            problems = [self._describe(problem) for problem in error.errors()]
            raise RuleError("\n".join(problems)) from error

    def _describe(self, problem: Any) -> str:
        key = tuple(problem["loc"])
        given = "" if problem["type"] == "missing" else f" (given: {str(problem['input'])[:60]!r})"
        name = ".".join(str(part) for part in key) or "rules"
        return f"{self.place(key)}: {name}: {problem['msg']}{given}"


def read_rule_file(path: Path) -> RuleFile:
    """Read a YAML file; raises RuleError when it is not readable or names a key twice."""
    try:
        text = path.read_text(encoding="utf-8")
        loader = _RuleLoader(text)
        node = loader.get_single_node()
        values = loader.construct_document(node) if node else None
    except OSError as error:
        raise RuleError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RuleError(f"{path}: not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RuleError(
            f"{path.name}, line {line}: not readable as YAML: {error.problem}"
        ) from None
    places: dict[Key, str] = {}
    _collect_places(node, (), places, path)
    return RuleFile(path, values, places)


def _collect_places(node: yaml.Node | None, key: Key, places: dict[Key, str], path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            inner = (*key, str(name.value))
            line = name.start_mark.line + 1
            if inner in places:
                raise RuleError(f"{path.name}, line {line}: {name.value!r} stands here twice")
            places[inner] = f"{path.name}, line {line}"
            _collect_places(value, inner, places, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            places[(*key, index)] = f"{path.name}, line {value.start_mark.line + 1}"
            _collect_places(value, (*key, index), places, path)
