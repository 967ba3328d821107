"""Which tables and functions of ours a server's words are about: for errors that may not quote those words.

In comes what PostgreSQL said of an error, out go the names in it that our migrations gave, and nothing else. The rule:
told is what stands in our own list, or a partition's name (`log_` and eight digits), and nothing else that was read. A
word of somebody's can be in the list, too: whoever asks does so only where the server's words are about such names.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from importlib import import_module

_WORD = re.compile(r"\w+")
_DAY = re.compile(r"log_[0-9]{8}")


def ours_in(said: str) -> list[str]:
    """Names of ours that stand in a text, each as `table log`."""
    names = _names()
    found = [
        f"table {word}" if _DAY.fullmatch(word) else f"{names[word]} {word}"
        for word in _WORD.findall(said)
        if word in names or _DAY.fullmatch(word)
    ]
    return list(dict.fromkeys(found))


@functools.cache
def _names() -> dict[str, str]:
    # Loaded when there is an error of PostgreSQL, and by name: whoever tells errors may have no driver for it, and what
    # is compiled tells errors, too, and is checked with all it imports.
    db, roles = import_module("logstore.postgres.db"), import_module("logstore.postgres.roles")
    own_tables: Sequence[str] = roles.OWN_TABLES
    tables_of: Mapping[str, Mapping[str, object]] = roles.TABLES
    own_functions: Sequence[str] = roles.OWN_FUNCTIONS
    functions_of: Mapping[str, Sequence[str]] = roles.FUNCTIONS
    versions: Mapping[str, str] = db.VERSION_TABLES
    tables = (*own_tables, *versions.values(), *(table for grants in tables_of.values() for table in grants))
    names = [table.rpartition(".")[2] for table in tables]
    functions = (*own_functions, *(function for granted in functions_of.values() for function in granted))
    return {
        **{f"{name}_{numbered}_seq": "sequence" for name in names for numbered in ("id", "number")},
        **dict.fromkeys(names, "table"),
        **dict.fromkeys(functions, "function"),
        db.HOLDS: "schema",
    }
