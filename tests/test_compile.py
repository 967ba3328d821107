"""What is compiled is what the sources say, or nothing is compiled: `.ci/compile` in a small clone of its own."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PROJECT = '[project]\nname = "small"\nversion = "1"\n[tool.setuptools]\npackages = ["categories"]\n'
SOURCE = "def answer() -> int:\n    return {}\n"

DRIVERS = {"psycopg", "clickhouse_connect", "chdb"}
"""What comes with an extra."""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A project of one module, with our own set-up."""
    for name in ("setup.py", "constraints.txt", ".ci/compile"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    compiled = '[tool.schoolgate]\ncompiled = ["categories/engine.py"]\n'
    (tmp_path / "pyproject.toml").write_text(PROJECT + compiled, encoding="utf-8")
    (tmp_path / "categories").mkdir()
    (tmp_path / "categories" / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "categories" / "engine.py").write_text(SOURCE.format(1), encoding="utf-8")
    return tmp_path


def run(clone: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    around = {name: value for name, value in os.environ.items() if name != "SCHOOLGATE_TOOLS"}
    return subprocess.run(
        [sys.executable, *words], cwd=clone, env={**around, **environment}, capture_output=True, text=True
    )


def ask(clone: Path) -> list[str]:
    """What the module answers, and whether it was compiled."""
    said = run(clone, "-c", "from categories import engine; print(engine.answer(), engine.__file__.endswith('.py'))")
    return said.stdout.split()


def needs_compiler() -> None:
    if shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is None:
        pytest.skip("there is no C compiler")


def test_who_measures_what_is_not_compiled_is_told(clone: Path) -> None:
    """It is no fault; where nothing can be compiled there is nothing to say."""
    needs_compiler()
    told = run(clone, ".ci/compile", "--check")
    assert (told.returncode, "not everything is compiled" in told.stderr) == (0, True)
    told = run(clone, ".ci/compile", "--check", PATH="/nowhere")
    assert (told.returncode, told.stderr) == (0, "")
    run(clone, ".ci/compile")
    told = run(clone, ".ci/compile", "--check")
    assert (told.returncode, told.stderr) == (0, "")


def test_a_changed_source_is_told_and_compiled_again(clone: Path) -> None:
    """And what has not changed is not."""
    needs_compiler()
    assert run(clone, ".ci/compile").returncode == 0
    assert ask(clone) == ["1", "False"]
    assert run(clone, ".ci/compile").stdout == ""
    (clone / "categories" / "engine.py").write_text(SOURCE.format(2), encoding="utf-8")
    told = run(clone, ".ci/compile", "--check")
    assert (told.returncode, "make compile" in told.stderr) == (1, True)
    assert run(clone, ".ci/compile").returncode == 0
    assert run(clone, ".ci/compile", "--check").returncode == 0
    assert ask(clone) == ["2", "False"]


def test_what_cannot_be_compiled_any_more_is_interpreted_as_it_is(clone: Path) -> None:
    """A type error leaves no old answer behind; where tools are required it is a failure."""
    needs_compiler()
    run(clone, ".ci/compile")
    (clone / "categories" / "engine.py").write_text("def answer() -> int:\n    return 'two'\n", encoding="utf-8")
    said = run(clone, ".ci/compile")
    assert (said.returncode, "stays interpreted" in said.stdout) == (0, True)
    assert ask(clone) == ["two", "True"]
    assert run(clone, ".ci/compile", SCHOOLGATE_TOOLS="required").returncode == 1


def test_without_a_compiler_all_is_interpreted(clone: Path) -> None:
    said = run(clone, ".ci/compile", PATH="/nowhere")
    assert (said.returncode, "no C compiler" in said.stdout) == (0, True)
    assert ask(clone) == ["1", "True"]


def test_a_room_whose_last_module_left_the_list_keeps_nothing_compiled(clone: Path) -> None:
    """What was compiled there answers as its source did long ago, and would be imported in its place."""
    needs_compiler()
    run(clone, ".ci/compile")
    listed = clone / "pyproject.toml"
    told = listed.read_text(encoding="utf-8").replace("categories/engine.py", "policy/rules.py")
    listed.write_text(told.replace('"categories"', '"categories", "policy"'), encoding="utf-8")
    (clone / "policy").mkdir()
    (clone / "policy" / "__init__.py").write_text("", encoding="utf-8")
    (clone / "policy" / "rules.py").write_text(SOURCE.format(3), encoding="utf-8")
    left = next((clone / "categories").glob("engine.*.so"))
    kept = clone / "kept" / "elsewhere"
    kept.mkdir(parents=True)
    shutil.copy(left, kept)
    run(clone, ".ci/compile")
    assert ask(clone) == ["1", "True"]
    shutil.copy(kept / left.name, left)  # as if it had been put back from elsewhere, and nothing else had changed
    assert run(clone, ".ci/compile", "--check").returncode == 1
    run(clone, ".ci/compile")
    assert ask(clone) == ["1", "True"]


def imported(file: Path) -> set[str]:
    """Modules a file imports, anywhere in it, for the types alone as well."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return found


def test_compiling_needs_nothing_that_a_school_may_not_have() -> None:
    """What is compiled is checked with all it imports; a database's driver is there only where its extra is."""
    told = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    waiting = [REPOSITORY / file for file in told["tool"]["schoolgate"]["compiled"]]
    seen = dict.fromkeys(waiting, "")
    while waiting:
        file = waiting.pop()
        for module in imported(file):
            assert module.split(".")[0] not in DRIVERS, f"{file} imports {module}: {seen[file]}"
            path = REPOSITORY / module.replace(".", "/")
            for found in (path.with_suffix(".py"), path / "__init__.py"):
                if found.is_file() and found not in seen:
                    seen[found] = f"by {file.relative_to(REPOSITORY)}, {seen[file]}"
                    waiting.append(found)
    assert REPOSITORY / "logstore" / "schema.py" in seen
