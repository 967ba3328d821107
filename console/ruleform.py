"""The form of one rule: what stands in it, and what was filled in, as lists of words.

A rule as the text has it (`policy.ruletext`) and a form in; the other out. The rule: words stay in the order somebody
wrote them, so that a form that changes nothing changes no character of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from policy.client import Band
from policy.rows import BAND_TITLES, STRICTNESS, Policy
from policy.rulereader import KEYS
from policy.ruletext import LISTS
from policy.schedule import BUILT_IN

type Words = dict[str, str | list[str]]

WHOLE = (("everyone", "Everybody"), ("pupils", "Pupils"))
"""Words for many at once."""


def boxes(policy: Policy) -> Mapping[str, list[tuple[str, str]]]:
    """For each list that has boxes to tick: words and what they mean."""
    bands = [(band.value, BAND_TITLES[band]) for band in (*STRICTNESS[:6], Band.STAFF, Band.GUEST)]
    times = {**{name: BUILT_IN[name] for name in ("term", "holiday")}, **policy.timetable.schedules}
    named = [(name, str(one)) for name, one in times.items() if " " not in name and ":" not in name]
    return {
        "who": [*WHOLE, *bands],
        "where": [(name, site.title) for name, site in policy.sites.items()],
        "when": named,
    }


def filled(rule: Words, policy: Policy) -> dict[str, Any]:
    """What the form shows of a rule: texts, ticked boxes, and the words that have no box, a line each."""
    shown: dict[str, Any] = {name: rule.get(name) or "" for name in ("rule", "action", "until", "because")}
    for name in LISTS:
        known = {word for word, _ in boxes(policy).get(name, ())}
        words = [_plain(name, word) for word in rule.get(name) or ()]
        shown[name] = {"ticked": [word for word in words if word in known],
                       "others": "\n".join(word for word in words if word not in known)}  # fmt: skip
    return shown


def from_form(form: Mapping[str, str], policy: Policy) -> dict[str, Any]:
    """What the form shows again of what was filled in."""
    return filled(rule_of(form, {}, policy), policy)


def rule_of(form: Mapping[str, str], before: Words, policy: Policy) -> Words:
    """A rule as it was filled in, its words in the order they had."""
    found: Words = {name: " ".join(form.get(name, "").split()) for name in KEYS if name not in LISTS}
    for name in LISTS:
        ticked = [word for word, _ in boxes(policy).get(name, ()) if form.get(f"{name}-{word}")]
        others = [" ".join(line.split()) for line in form.get(name, "").replace(",", "\n").splitlines() if line.strip()]
        had = [str(word) for word in before.get(name) or ()]
        found[name] = _ordered(name, had, [*ticked, *others])
    return found


def _ordered(name: str, had: list[str], wanted: Iterable[str]) -> list[str]:
    """What is wanted, in the order it had; what is new behind it."""
    fresh = dict.fromkeys(wanted)
    kept = [word for word in had if _plain(name, word) in fresh or word in fresh]
    known = {_plain(name, word) for word in kept} | {*kept}
    return [*kept, *(word for word in fresh if word not in known)]


def _plain(name: str, word: str) -> str:
    """A word as its box has it."""
    word = " ".join(word.split())
    return word.removeprefix("site:") if name == "where" else word
