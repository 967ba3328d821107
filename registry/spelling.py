"""Names as the record writes them: what somebody typed in, the one spelling rows have out.

The rule: a person, address or host is searched, exported and held in the spelling the gateway itself uses, or a hold on
`Pupil-0417` keeps nothing of `pupil-0417`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from categories.hosts import NameProblem, canonical_host
from identity.directory import account_name, canonical_address


def _host(text: str) -> str:
    try:
        return canonical_host(text)
    except NameProblem as problem:
        raise ValueError(f"{text!r} is no host: {problem}; it would be like www.example.org") from problem


_SPELLINGS: dict[str, Callable[[str], str]] = {
    "user": account_name,
    "client_address": canonical_address,
    "host": _host,
    "domain": _host,
}


def as_recorded(field: str, value: Any) -> Any:
    """A field of a `LogFilter` as rows spell it; what has one spelling only stays. Raises `ValueError`."""
    spell = _SPELLINGS.get(field)
    return value if spell is None or not isinstance(value, str) else spell(value)
