"""The house keeps its shape: docstrings open every module, no file grows past 400 lines, tests mirror the tree."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

ROOMS = ("categories", "policy", "identity", "logstore", "registry", "addons", "console", "migrations", "proxy")
LONGEST = 400
VAGUE = {"utils", "util", "helpers", "helper", "manager", "core", "common", "base", "misc"}
NEEDS_NO_TEST = {"__init__", "__main__", "py.typed"}
"""Modules without behaviour of their own."""


def modules(*rooms: str) -> list[Path]:
    """Python files of the rooms."""
    return sorted(
        file for room in rooms for file in (REPOSITORY / room).rglob("*.py") if "__pycache__" not in file.parts
    )


def short(file: Path) -> str:
    """The path as people say it."""
    return str(file.relative_to(REPOSITORY))


EVERYTHING = modules(*ROOMS, "tests", "benchmarks")
OURS = modules(*ROOMS)


@pytest.mark.parametrize("file", OURS, ids=short)
def test_a_module_opens_with_what_comes_in_and_out(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    if file.name == "__init__.py" and not tree.body and file.parent.parent != REPOSITORY:
        return
    assert ast.get_docstring(tree), f"{short(file)} has no docstring"


@pytest.mark.parametrize("file", EVERYTHING, ids=short)
def test_a_file_has_one_reason_to_change(file: Path) -> None:
    """Past 400 lines a file says at its top why."""
    lines = file.read_text(encoding="utf-8").splitlines()
    if len(lines) > LONGEST:
        assert "longer than 400 lines because" in "\n".join(lines[:20]), f"{len(lines)} lines"


@pytest.mark.parametrize("file", EVERYTHING, ids=short)
def test_a_file_is_named_after_what_it_does(file: Path) -> None:
    assert file.stem not in VAGUE
    assert not any("Schoolgate" in node.name for node in classes(file)), "no class is named after the project"


def classes(file: Path) -> list[ast.ClassDef]:
    """Classes of a file."""
    return [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef)]


@pytest.mark.parametrize("file", OURS, ids=short)
def test_nothing_that_matters_is_an_assert(file: Path) -> None:
    """`python -O` removes asserts; a filter must not depend on them."""
    found = [
        node.lineno for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Assert)
    ]
    assert not found, f"{short(file)}: lines {found}"


def has_behaviour(file: Path) -> bool:
    """Whether a module defines anything that could be wrong."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(tree))


TESTED = [
    file for file in OURS if file.stem not in NEEDS_NO_TEST and "versions" not in file.parts and has_behaviour(file)
]


SHOWS = re.compile(r"\bShows?:(.+?)(?:\n\n|\Z)", re.DOTALL)


def shown() -> set[str]:
    """Modules that a test file names in its docstring: "Shows: `proxy.supervisor`, `proxy.children`." """
    found: set[str] = set()
    for file in (REPOSITORY / "tests").rglob("test_*.py"):
        words = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        for told in SHOWS.findall(words):
            found |= set(re.findall(r"`([a-z0-9_.]+)`", told))
    return found


SHOWN = shown()


@pytest.mark.parametrize("file", TESTED, ids=short)
def test_a_reader_finds_the_test_of_a_module(file: Path) -> None:
    """`logstore/spool.py` is tested by `tests/logstore/test_spool.py` and by what begins with that name; a part of
    something larger may be shown by another test, whose docstring then says so."""
    room, *between = file.relative_to(REPOSITORY).parent.parts
    folder = REPOSITORY / "tests" / room
    wanted = f"test_{file.stem}"
    own = [
        *folder.joinpath(*between).glob(f"{wanted}.py"),
        *folder.rglob(f"{wanted}.py"),
        *folder.rglob(f"{wanted}_*.py"),
    ]
    module = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)
    assert own or module in SHOWN, f"no tests/{room}/{wanted}.py, and no test says: Shows: `{module}`"


def test_nothing_is_shown_that_is_not_there() -> None:
    there = {".".join(file.relative_to(REPOSITORY).with_suffix("").parts) for file in OURS}
    assert not SHOWN - there


def tracked() -> list[Path]:
    """Files under version control."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git clone")
    return [REPOSITORY / name for name in done.stdout.decode().split("\0") if name]


def test_no_tracked_file_names_the_machine_it_was_written_on() -> None:
    machine = [f"{Path.home()}/.", f"{REPOSITORY.parent}/"]
    found = [
        f"{short(file)}: {place}"
        for file in tracked()
        if file.is_file()
        for place in machine
        if len(place) > 4 and place.encode() in file.read_bytes()
    ]
    assert not found


def test_no_tracked_file_is_large() -> None:
    found = [short(file) for file in tracked() if file.is_file() and file.stat().st_size > 300_000]
    assert not found


def test_what_tests_start_keeps_its_bytecode(tmp_path: Path) -> None:
    """Else every process of every gateway compiles every module: half of what one costs from start to stop."""
    (tmp_path / "once.py").touch()
    subprocess.run([sys.executable, "-c", "import once"], cwd=tmp_path, check=True)
    assert list((tmp_path / "__pycache__").glob("once.*.pyc"))


def test_files_that_take_long_are_begun_first() -> None:
    """So that no core waits at the end for one that was begun last."""
    quick, slow = "tests/policy/test_searches.py", "tests/e2e/test_killed.py"
    words = [sys.executable, "-m", "pytest", "--collect-only", "-q", quick, slow]
    plain = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True, env=plain)
    collected = done.stdout.splitlines()
    files = list(dict.fromkeys(line.partition("::")[0] for line in collected if "::" in line))
    assert files == [slow, quick]
