"""Compiles the modules that pyproject.toml names in `tool.schoolgate.compiled`, when SCHOOLGATE_COMPILED is set.

All else about the package stands in pyproject.toml. `.ci/compile` calls this in a clone; docs/operations.md says how an
installation does. Decision 0041 says why.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from setuptools import Extension, setup

LEVEL = "1"
"""Of gcc's optimisation: 3 takes half as long again to compile, and decides no faster."""

SHARED = "categories.compiled"
"""Library all of them are in, `__mypyc` behind it: in a room, for an editable installation finds nothing outside."""


def extensions() -> list[Extension]:
    """What mypyc makes of the modules; nothing when nobody asked."""
    if not os.environ.get("SCHOOLGATE_COMPILED"):
        return []
    from mypyc.build import mypycify

    settings = tomllib.loads((Path(__file__).parent / "pyproject.toml").read_text(encoding="utf-8"))
    modules = settings["tool"]["schoolgate"]["compiled"]
    return list(mypycify(modules, group_name=SHARED, opt_level=LEVEL, debug_level="0"))


setup(ext_modules=extensions())
