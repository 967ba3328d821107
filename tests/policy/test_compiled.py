"""What is compiled decides as its sources do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from policy import engine
from tests.conftest import REPOSITORY

MANY = 6_000


def said(folder: Path) -> list[str]:
    """What the engine in that folder says of the same requests."""
    around = {**os.environ, "PYTHONPATH": str(folder), "PYTHONHASHSEED": "0"}
    words = [sys.executable, "-m", "tests.policy.verdicts", str(MANY)]
    done = subprocess.run(words, cwd=folder, env=around, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_compiled_and_interpreted_say_the_same(tmp_path: Path) -> None:
    """Six thousand requests, hostile ones among them: verdict, evidence and refusal of each, word for word."""
    if Path(engine.__file__).suffix == ".py":
        pytest.skip("nothing is compiled: make compile")
    for room in ("categories", "policy"):
        shutil.copytree(REPOSITORY / room, tmp_path / room, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    (tmp_path / "tests" / "policy").mkdir(parents=True)
    for name in ("tests/__init__.py", "tests/policy/__init__.py", "tests/policy/verdicts.py"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    compiled, interpreted = said(REPOSITORY), said(tmp_path)
    assert (compiled[0], interpreted[0]) == ("# .so", "# .py")
    assert len(compiled) == MANY + 1
    assert compiled[1:] == interpreted[1:]
    kinds = Counter(line.partition("Action.")[2].partition(":")[0] for line in compiled)
    assert min(kinds[kind] for kind in ("BLOCK", "ALLOW", "BYPASS")) > 20, kinds
    assert not [line for line in compiled if "otherwise" in line or line.endswith("Error")]
