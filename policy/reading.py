"""YAML text in, plain nodes with line numbers out.

The tree is built from parser events, so no value is ever guessed at: `12:10`, `on` and `2026-09-02` stay the text
people wrote (YAML 1.1 would make the first 730 and the second True). Aliases, several documents, deep nesting and huge
files are refused: a policy needs none of them, and they are how YAML files are used as bombs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from policy.problems import Problems, clip

MAX_CHARACTERS = 2_000_000
"""Longest policy file taken, in characters: some ten thousand rules."""
MAX_DEPTH = 20
"""Deepest nesting taken; the language itself needs seven."""


@dataclass(slots=True)
class Text:
    """A single value, as written."""

    line: int
    value: str
    quoted: bool = False

    @property
    def empty(self) -> bool:
        """True for a key with nothing behind it."""
        return not self.quoted and self.value in {"", "~", "null"}


@dataclass(slots=True)
class Items:
    """A list."""

    line: int
    nodes: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Fields:
    """A mapping; keys in the order of the file, no duplicates."""

    line: int
    nodes: dict[str, Node] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    waiting: str | None = None


type Node = Text | Items | Fields

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_nodes(text: str, problems: Problems) -> Fields | None:
    """The whole file as a mapping; None, with the problems noted, when it is not one."""
    if len(text) > MAX_CHARACTERS:
        problems.error(0, f"the file is {len(text)} characters long", f"at most {MAX_CHARACTERS} are read")
        return None
    try:
        root = _build(text, problems)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark is not None else _reader_line(text, error)
        problems.error(line, f"is not YAML: {clip(str(what), 200)}", "check quotes, colons and indentation")
        return None
    if root is None:
        return None
    if not isinstance(root, Fields):
        problems.error(root.line, "the file must be a mapping", "start with `schoolgate: 1`")
        return None
    return root


def _reader_line(text: str, error: yaml.YAMLError) -> int:
    position = getattr(error, "position", None)
    return text.count("\n", 0, position) + 1 if isinstance(position, int) else 0


def _build(text: str, problems: Problems) -> Node | None:
    """Build the tree without recursion; raises yaml.YAMLError, notes what the language forbids and returns None."""
    open_nodes: list[Items | Fields] = []
    root: Node | None = None
    documents = 0
    for event in _events(text):
        line = event.start_mark.line + 1 if event.start_mark is not None else 0
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                problems.error(line, "the file holds a second document (`---`)", "one policy a file")
                return None
        elif isinstance(event, yaml.AliasEvent):
            problems.error(
                line, f"aliases (`*{clip(event.anchor or '')}`) are not part of the policy language", "write it out"
            )
            return None
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent, yaml.ScalarEvent)):
            node = _node(event, line)
            if open_nodes:
                _attach(open_nodes[-1], node, problems)
            elif root is None:
                root = node
            if not isinstance(node, Text):
                open_nodes.append(node)
                if len(open_nodes) > MAX_DEPTH:
                    problems.error(line, f"nested more than {MAX_DEPTH} deep", "")
                    return None
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            open_nodes.pop()
    if root is None:
        problems.error(0, "the file is empty", "start with `schoolgate: 1`")
    return root


def _events(text: str) -> Iterator[yaml.Event]:
    yield from yaml.parse(text, Loader=_LOADER)


def _node(event: yaml.NodeEvent, line: int) -> Node:
    if isinstance(event, yaml.MappingStartEvent):
        return Fields(line)
    if isinstance(event, yaml.SequenceStartEvent):
        return Items(line)
    value = event.value if isinstance(event, yaml.ScalarEvent) else ""
    quoted = isinstance(event, yaml.ScalarEvent) and event.style in {"'", '"', "|", ">"}
    return Text(line, value.strip(), quoted)


def _attach(parent: Items | Fields, node: Node, problems: Problems) -> None:
    if isinstance(parent, Items):
        parent.nodes.append(node)
        return
    if parent.waiting is None:
        if isinstance(node, Text):
            parent.waiting = node.value
            if node.value in parent.nodes:
                problems.error(node.line, f"{clip(node.value)!r} is written twice", "keep one")
            parent.lines.setdefault(node.value, node.line)
        else:
            problems.error(node.line, "a key must be a word", "")
            parent.waiting = ""
        return
    parent.nodes.setdefault(parent.waiting, node)
    parent.waiting = None
