"""Changing one rule in the text of a policy: text and what is wanted in, the text with those characters changed out.

The rule: nothing is written anew that nobody changed. A rule is found by its place in the text, and only values that
differ are replaced; comments, blank lines and the order of keys stay as somebody wrote them. Comments above a rule stay
where they are when it moves or goes, because mostly they head a group of rules. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from policy.problems import Problems
from policy.reading import read_nodes
from policy.rulereader import KEYS

LISTS = ("who", "what", "where", "when")
"""Keys of a rule that hold a list."""
WIDTH = 120
"""Longest line written."""
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*(?::[A-Za-z0-9][A-Za-z0-9._/-]*)?(?: [a-z0-9-]+)*")
_SENTENCE = re.compile(r"[A-Za-z][A-Za-z0-9 ,.;()?!'’“”–-]*")
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

type Wanted = Mapping[str, str | Sequence[str]]
"""A rule as a form has it: a text or a list of words for each key; empty leaves the key out."""


class CannotEdit(Exception):
    """The text is written so that one rule cannot be changed by its place. Says what to do instead."""


@dataclass(slots=True)
class Place:
    """A rule in the text, by characters."""

    name: str
    """Its name."""
    ruleset: int
    """Number of its policy in the file, from 0."""
    number: int
    """Its number within the policy, from 0."""
    start: int
    """Where the line with its `-` begins."""
    end: int
    """Behind the line with its last character."""
    column: int
    """Column of the `-`."""
    flow: bool
    """Whether it is written in `{…}`."""
    values: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """For each key: where it begins, where its value begins and ends."""
    wanted: dict[str, str | list[str]] = field(default_factory=dict)
    """The rule as a form has it."""


def rules_in(text: str) -> list[Place]:
    """Every rule of a policy that can be read, in the order of the file. Raises `CannotEdit`."""
    return [place for rules in _rulesets(text) for place in rules.places]


def as_form(text: str, name: str) -> dict[str, str | list[str]]:
    """A rule as a form has it, every key there. Raises `CannotEdit`."""
    return {**empty(), **_place(text, name).wanted}


def empty() -> dict[str, str | list[str]]:
    """A rule that says nothing yet."""
    return {key: [] if key in LISTS else "" for key in KEYS}


def changed(text: str, name: str, wanted: Wanted) -> str:
    """The text with that rule as wanted. Raises `CannotEdit`."""
    place = _place(text, name)
    if place.flow or not place.values.keys() <= set(KEYS):
        return text[: place.start] + written(wanted, place.column) + text[place.end :]
    pieces: list[tuple[int, int, str]] = []
    behind = place.start
    for key in KEYS:
        now, known = wanted.get(key) or "", place.values.get(key)
        same = now == place.wanted.get(key) or (not now and not place.wanted.get(key))
        if known is None:
            if now and not same:
                pieces.append((behind, behind, f"{' ' * (place.column + 2)}{_line(key, now, place.column + 2)}"))
            continue
        first, last = _line_start(text, known[0]), _line_end(text, known[2])
        if not same and now:
            pieces.append(_replaced(text, key, now, known))
        elif not same:
            if key == "rule" or "-" in text[first : known[0]]:
                raise CannotEdit(f"rule {name!r} cannot lose its first key; change it in the text")
            pieces.append((first, last, ""))
        behind = max(behind, last)
    for start, end, fresh in sorted(pieces, reverse=True):
        text = text[:start] + fresh + text[end:]
    return text


def added(text: str, ruleset: int, wanted: Wanted, after: str = "") -> str:
    """The text with a new rule in that policy: behind the rule `after`, or first. Raises `CannotEdit`."""
    known = _rulesets(text)
    if ruleset >= len(known):
        raise CannotEdit(f"the file has no policy number {ruleset + 1}")
    rules = known[ruleset]
    if not rules.places:
        if rules.empty is None:
            raise CannotEdit("that policy has no `rules:` yet; write its first rule in the text")
        start, end, column = rules.empty
        return f"{text[:start]}\n{written(wanted, column).rstrip()}{text[end:]}"
    before = next((place for place in rules.places if place.name == after), None)
    at = rules.places[0].start if before is None else before.end
    joint = "" if text[:at].endswith("\n") or not at else "\n"
    return text[:at] + joint + written(wanted, rules.places[0].column) + text[at:]


def removed(text: str, name: str) -> str:
    """The text without that rule. Raises `CannotEdit`."""
    place = _place(text, name)
    left = [one for one in rules_in(text) if one.ruleset == place.ruleset]
    if len(left) == 1:
        raise CannotEdit(f"{name!r} is the only rule of its policy; take the whole policy out of the text")
    return text[: place.start] + text[place.end :]


def moved(text: str, name: str, steps: int) -> str:
    """The text with that rule so many places further down (or up, below zero) in its policy. Raises `CannotEdit`."""
    place = _place(text, name)
    beside = [one for one in rules_in(text) if one.ruleset == place.ruleset]
    target = beside[min(max(place.number + steps, 0), len(beside) - 1)]
    if target.name == name:
        return text
    body = text[place.start : place.end]
    body += "" if body.endswith("\n") else "\n"
    if target.number < place.number:
        return text[: target.start] + body + text[target.start : place.start] + text[place.end :]
    joint = "" if text[: target.end].endswith("\n") else "\n"
    return text[: place.start] + text[place.end : target.end] + joint + body + text[target.end :]


def written(wanted: Wanted, column: int) -> str:
    """A rule as lines of its own."""
    lines = [_line(key, value, column + 2) for key in KEYS if (value := wanted.get(key) or "")]
    return f"{' ' * column}- " + (" " * (column + 2)).join(lines)


def _replaced(text: str, key: str, now: str | Sequence[str], known: tuple[int, int, int]) -> tuple[int, int, str]:
    """The piece of the text that a value's new one takes the place of."""
    colon = text.index(":", known[0]) + 1
    below = "\n" in text[colon : known[1]] and "#" not in text[colon : known[1]]
    start, joint = (colon, " ") if below or colon == known[1] else (known[1], "")
    column = start - _line_start(text, start) + len(joint)
    return start, max(start, known[2]), joint + _value(key, now, column)


def _line(key: str, value: str | Sequence[str], column: int) -> str:
    return f"{key}: {_value(key, value, column + len(key) + 2)}\n"


def _value(key: str, value: str | Sequence[str], column: int) -> str:
    """A value as YAML, a list broken into lines that begin below its first word."""
    if isinstance(value, str):
        plain = _SENTENCE if key == "because" else _PLAIN
        return value if plain.fullmatch(value) and value == value.strip() else _quoted(value)
    lines, line = [], ""
    for number, word in enumerate(value):
        item = word if _PLAIN.fullmatch(word) else _quoted(word)
        item += "" if number == len(value) - 1 else ","
        if line and column + len(line) + len(item) + 4 > WIDTH:
            lines.append(line)
            line = item
        else:
            line = f"{line} {item}" if line else item
    return "[" + f"\n{' ' * (column + 1)}".join([*lines, line]) + "]"


def _quoted(word: str) -> str:
    """A word in double quotes, as YAML reads them."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in escaped) + '"'


@dataclass(slots=True)
class _Rules:
    """The rules of one policy in the text."""

    places: list[Place] = field(default_factory=list)
    empty: tuple[int, int, int] | None = None
    """Where `[]` stands in place of rules, and the column for the first."""


def _place(text: str, name: str) -> Place:
    found = next((place for place in rules_in(text) if place.name == name), None)
    if found is None:
        raise CannotEdit(f"there is no rule {name!r} in the text")
    return found


def _rulesets(text: str) -> list[_Rules]:
    if read_nodes(text, Problems("")) is None:  # which also keeps out what is nested too deep to be read as a tree
        raise CannotEdit("the text is not YAML; put it right first")
    root, found = yaml.compose(text, Loader=_LOADER), list[_Rules]()
    for policy in _sequence(_mapping(root).get("policies")):
        rules, node = _Rules(), _mapping(policy).get("rules")
        key = next((key for key, value in getattr(policy, "value", ()) if value is node), None)
        items = list(_sequence(node))
        if node is not None and not items and key is not None and isinstance(node, yaml.SequenceNode):
            start = text.rfind(":", 0, node.start_mark.index) + 1
            rules.empty = (start, node.end_mark.index, key.start_mark.column + 2)
        for item in items:
            if not isinstance(item, yaml.MappingNode) or (isinstance(node, yaml.SequenceNode) and node.flow_style):
                raise CannotEdit("a policy's rules stand in `[…]`; write each on a line of its own, with `- `")
            rules.places.append(_found(text, item, len(found), len(rules.places)))
        found.append(rules)
    return found


def _found(text: str, item: yaml.MappingNode, ruleset: int, number: int) -> Place:
    start = _line_start(text, item.start_mark.index)
    end = _end(text, item)
    column = text.find("-", start) - start
    if text[start : item.start_mark.index].strip() != "-":
        raise CannotEdit(f"the rule in line {item.start_mark.line + 1} does not begin on the line of its `-`")
    place = Place("", ruleset, number, start, _line_end(text, end), column, bool(item.flow_style))
    for key, value in item.value:
        place.values[str(key.value)] = (key.start_mark.index, value.start_mark.index, _end(text, value))
        place.wanted[str(key.value)] = _plain(value) if key.value not in LISTS else _words(value)
    place.name = str(place.wanted.get("rule", ""))
    return place


def _end(text: str, node: yaml.Node) -> int:
    """Behind the last character of a node; a block's own end lies behind the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last: Any = node.value[-1]
        return _end(text, last[1] if isinstance(node, yaml.MappingNode) else last)
    end = int(node.end_mark.index)
    return node.start_mark.index + len(text[node.start_mark.index : end].rstrip())


def _plain(node: yaml.Node) -> str:
    return " ".join(str(node.value).split()) if isinstance(node, yaml.ScalarNode) else ""


def _words(node: yaml.Node) -> list[str]:
    items = [node] if isinstance(node, yaml.ScalarNode) else list(_sequence(node))
    return [word for item in items if (word := _plain(item))]


def _mapping(node: yaml.Node | None) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(key.value): value for key, value in node.value}


def _sequence(node: yaml.Node | None) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _line_end(text: str, index: int) -> int:
    """Behind the line that holds the character before `index`."""
    if index and text[index - 1] == "\n":
        return index
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1
