"""No log text quotes an error: what a database, a library or a page said may name who asked for what (design §5.9).

An error is handed to the log itself (`proxy.faults` tells its kind), or by a function that tells it discreetly. Looks
at what stands in the same `except`: what is carried further by hand is seen by people who read the change.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_layout import OURS, short

DISCREET = {"type", "without_rows"}
"""What tells of an error without its words."""
ALLOWED = {"proxy/supervisor.py": {"in_words"}}
"""Files and what they may call besides: for errors that people made in their own files, and of no database."""
LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}


def quotes(node: ast.AST, names: set[str], discreet: frozenset[str] = frozenset(DISCREET)) -> bool:
    """Whether an expression makes a text of one of these errors."""
    match node:
        case ast.Call(func=ast.Name(id=called)) if called in discreet:
            return False
        case ast.Name(id=name):
            return name in names
    return any(quotes(child, names, discreet) for child in ast.iter_child_nodes(node))


def is_logged(node: ast.AST) -> bool:
    """Whether it is a call of a logger."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"), attr=level)):
            return level in LEVELS
    return False


def told(source: str, allowed: frozenset[str] = frozenset()) -> Iterator[int]:
    """Lines at which a log text quotes the error that is dealt with there."""
    discreet = allowed | DISCREET
    for handler in ast.walk(ast.parse(source)):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None:
            continue
        texts: set[str] = set()
        for node in (inner for statement in handler.body for inner in ast.walk(statement)):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if quotes(value, {handler.name}, discreet):
                    texts.add(name)
        for node in (inner for statement in handler.body for inner in ast.walk(statement)):
            if isinstance(node, ast.Call) and is_logged(node):
                whole = [one for one in node.args if not isinstance(one, ast.Name)]
                made = [one for one in node.args if isinstance(one, ast.Name)]
                if any(quotes(one, {handler.name} | texts, discreet) for one in whole) or any(
                    one.id in texts for one in made
                ):
                    yield node.lineno


@pytest.mark.parametrize("file", OURS, ids=short)
def test_no_log_text_quotes_an_error(file: Path) -> None:
    lines = list(told(file.read_text(encoding="utf-8"), frozenset(ALLOWED.get(short(file), ()))))
    assert not lines, f"{short(file)}: lines {lines}: log the error itself, or logstore.errorwords.without_rows of it"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("logger.error('no: %s', str(error))", True),
        ("logger.error(f'no: {error}')", True),
        ("logger.error('no: %s', getattr(error, 'orig', None) or error)", True),
        ("logger.error('no: %s', error.args)", True),
        ("logger.error('no: %s', in_words(error))", True),
        ("said = f'{error}'\n    logger.error('no: %s', said)", True),
        ("logger.error('no: %s', error)", False),
        ("logger.error('no: %s', type(error).__name__)", False),
        ("logger.error('no: %s', without_rows(error))", False),
        ("said = without_rows(error)\n    logger.error('no: %s', said)", False),
    ],
)
def test_this_test_sees_what_quotes(text: str, found: bool) -> None:
    assert bool(list(told(f"try:\n    pass\nexcept ValueError as error:\n    {text}\n"))) is found
