"""What is wrong with a settings file: YAML nodes and pydantic's findings in; problems with line and advice out. Pure.

Every problem says what, where and what would have been right; all of them come at once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError


@dataclass(frozen=True, slots=True)
class SettingsProblem:
    """One mistake in the settings file."""

    file: str
    """The file."""
    line: int
    """Line from 1; 0 when it has none."""
    where: str
    """Dotted path of the setting: `proxy.port`."""
    what: str
    """What is wrong."""
    instead: str = ""
    """What would have been right."""

    def __str__(self) -> str:
        advice = f" ({self.instead})" if self.instead else ""
        return f"{self.file}:{self.line}: {self.where}: {self.what}{advice}"


class SettingsError(Exception):
    """The settings cannot be used. Carries every problem, not the first one."""

    def __init__(self, problems: tuple[SettingsProblem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def repeated_keys(node: yaml.Node | None, file: str, place: str = "") -> Iterator[SettingsProblem]:
    """Keys written twice: YAML would silently take the last and drop what the first one holds."""
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from repeated_keys(item, file, f"{place}{number}.")
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            where = f"{place}{key.value}"
            if key.value in first:
                instead = f"put everything under the one in line {first[key.value]}"
                yield SettingsProblem(file, line, where, "is written twice", instead)
            first.setdefault(key.value, line)
            yield from repeated_keys(value, file, f"{where}.")


def problems_of(
    error: ValidationError, node: yaml.Node | None, file: str, settings: type[BaseModel]
) -> list[SettingsProblem]:
    """What pydantic found, each with its line and what would have been right."""
    lines = dict(_lines(node))
    return [_problem(file, lines, item, settings) for item in error.errors()]


def _problem(file: str, lines: dict[tuple[Any, ...], int], item: Any, settings: type[BaseModel]) -> SettingsProblem:
    place = tuple(item["loc"])
    line = next((lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in lines), 0)
    where = ".".join(str(part) for part in place)
    if item["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(place[-1]), _known_keys(settings, place[:-1]), n=1)
        return SettingsProblem(file, line, where, "unknown setting", f"did you mean {close[0]!r}?" if close else "")
    what = item["msg"].removeprefix("Value error, ")
    if item["type"] == "missing":
        return SettingsProblem(file, line, where, "is missing", "it must be told")
    if item["type"] == "literal_error":
        known = [str(choice) for choice in _choices(settings, place)]
        close = difflib.get_close_matches(str(item["input"]), known, n=1)
        return SettingsProblem(file, line, where, what, f"did you mean {close[0]!r}?" if close else "")
    # What may hold a password is not repeated.
    secret = "password" in what or "://" in str(item["input"])
    return SettingsProblem(file, line, where, what, "" if secret else f"got {item['input']!r}"[:120])


def _known_keys(settings: type[BaseModel], place: tuple[Any, ...]) -> list[str]:
    model = _model(settings, place)
    return [] if model is None else list(model.model_fields)


def _choices(settings: type[BaseModel], place: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values a setting may have, where it may have only some."""
    model = _model(settings, place[:-1])
    found = None if model is None else model.model_fields.get(str(place[-1]))
    annotation = None if found is None else found.annotation
    return get_args(getattr(annotation, "__value__", annotation))


def _model(settings: type[BaseModel], place: tuple[Any, ...]) -> type[BaseModel] | None:
    """The section at that place."""
    model = settings
    for part in place:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        inner = getattr(annotation, "__args__", (annotation,))[0]
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return None
        model = inner
    return model


def _lines(node: yaml.Node | None, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], int]]:
    if node is None:
        return
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from (
                (p, key.start_mark.line + 1 if p == (*place, key.value) else n)
                for p, n in _lines(value, (*place, key.value))
            )
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _lines(value, (*place, number))
