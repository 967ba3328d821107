"""What an override would do, before it is made: the engine with it laid over, asked for everybody it is for.

In come lists, policy, what is decided already and the override wanted; out comes an `Outlook` (`registry.outlook`).
Pure but for the engines it builds.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from categories.layered import OwnEntry
from categories.model import EntryKind
from categories.names import NameProblem, canonical_url
from identity.directory import Directory
from policy.overrides import Override
from proxy.decided import Decided, Parts, put_together
from registry.change import RegistryError, RegistryProblem
from registry.outlook import LOCKED, PROBE, Effect, Outlook, Person, look, people

__all__ = ["PROBE", "Effect", "Outlook", "Person", "check_entry", "outlook", "people"]


def outlook(parts: Parts, decided: Decided, wanted: Override, directory: Directory, at: datetime) -> Outlook:
    """Ask the engine with and without `wanted`."""
    before = put_together(parts, _with_probe(decided, wanted), at)
    after = put_together(parts, _with_probe(_add(decided, wanted), wanted), at)
    return look(before, after, wanted, parts.policy, directory, at)


def check_entry(parts: Parts, text: str) -> None:
    """Raise `RegistryError` for an own entry that a statutory list decides whatever it says.

    The entry is not named: what is on such a list is spelled out nowhere.
    """
    try:
        url = canonical_url(text)
    except NameProblem:
        return  # said by whoever makes the entry
    statutory = parts.policy.kinds.statutory
    if any(match.category in statutory for match in parts.standing.over(parts.index).match(url)):
        raise RegistryError(RegistryProblem("entry", LOCKED))


def _with_probe(decided: Decided, wanted: Override) -> Decided:
    """With a host that is in the category asked for, and in nothing else."""
    kind, _, category = wanted.what.partition(":")
    if kind != "category":
        return decided
    return replace(decided, entries=(*decided.entries, OwnEntry(0, category, EntryKind.DOMAIN, PROBE)))


def _add(decided: Decided, wanted: Override) -> Decided:
    others = tuple(one for one in decided.overrides if one.id != wanted.id)
    return replace(decided, overrides=(*others, wanted))
