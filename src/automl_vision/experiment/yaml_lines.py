"""Settings in YAML whose mistakes are reported with their lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from automl_vision.core.errors import ConfigError, Problem


def read_settings(path: Path, subject: str) -> str:
    """The text of a file of settings.

    Args:
        path: of the file.
        subject: what mistakes are said of.

    Raises:
        ConfigError: the file cannot be read, or is not text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"the file cannot be read ({error.strerror})"], subject=subject) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"the file is not valid YAML: {error}"], subject=subject) from None


def read_mapping(text: str, subject: str) -> tuple[dict[str, Any], yaml.Node | None]:
    """Values and nodes of a text that is a mapping.

    Args:
        text: of a file.
        subject: what mistakes are said of.

    Raises:
        ConfigError: the text is not valid YAML, not a mapping, or names a key twice.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values, repeated = yaml.safe_load(text), list(_repeated_keys(root))
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError([f"the file is not valid YAML: {error}"], subject=subject) from None
    if not isinstance(values, dict):
        raise ConfigError(["the file must be a mapping of settings"], subject=subject)
    if repeated:
        raise ConfigError(repeated, subject=subject)
    return {str(key): value for key, value in values.items()}, root


def _repeated_keys(node: yaml.Node | None) -> Iterator[str]:
    """Sentences on keys that occur twice in a mapping, of which YAML would silently keep the last one."""
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if first.setdefault(str(key.value), line) != line:
                yield f"line {line}: {key.value} stands in line {first[str(key.value)]} already; keep one of them"
            yield from _repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)


def with_line(problem: Problem, root: yaml.Node | None, names: Mapping[str, str]) -> Problem:
    """The problem with the line of its value in front, if it has a path that leads into the file.

    Args:
        problem: a mistake in the values of the file.
        root: node of the file.
        names: the names that keys may have, with those of their fields.
    """
    line = _line(root, problem.path, names)
    return problem if line is None else Problem(problem.path, f"line {line}: {problem.sentence}")


def _line(node: yaml.Node | None, path: Sequence[str | int], names: Mapping[str, str]) -> int | None:
    """Line, from 1, of the last key or item of a path that the file has; a shorter way of writing lacks some."""
    line = None
    for part in path:
        found = _child(node, part, names)
        if found is not None:
            line, node = found
    return line


def _child(node: yaml.Node | None, part: str | int, names: Mapping[str, str]) -> tuple[int, yaml.Node | None] | None:
    """Line and value of a key or an item of a node; an item of a list may also be a `--name` before its value."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part) or names.get(key.value) == part:
                return key.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            is_name = isinstance(item, yaml.ScalarNode) and item.value.startswith("--")
            if i == part or (is_name and item.value[2:].replace("-", "_") == part):
                return item.start_mark.line + 1, item
    return None
