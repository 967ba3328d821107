"""e2guardian's lists of words and of people: phrases, closed searches, members of groups, and lists that are left out.

In comes a file of the imported folder; what it holds is noted in the `Import`, every line of it counted.
"""

from __future__ import annotations

import re
from pathlib import Path

from categories.importers.e2guardian_phrases import PhraseFile, read_phrases
from categories.importers.e2guardian_work import (
    Import,
    included,
    items_of,
    line_of,
    read_facts,
    says_something,
    tell_time,
)
from categories.importers.proposal import FileTally, category_for, own_category
from categories.model import Problem
from categories.networks import NetworkProblem, canonical_networks
from categories.parse import Line, problem
from categories.scoring import ScoredPhrase
from categories.searchwords import search_key

_MEMBER = re.compile(r"(?P<who>[^=]+?)\s*=\s*(?:filter)?(?P<group>\d+)")


def take_phrases(
    work: Import, file: Path, *, exceptions: bool, inherited: str = "", within: tuple[Path, ...] = ()
) -> None:
    """A phrase list and those it includes: one set of phrases; category and kind go down, never back up."""
    name = work.tree.name(file)
    if name in work.files:
        return
    about = read_facts(work, file)
    called = about.category or inherited or file.parent.name
    category = category_for(work.names, called) or own_category(work.names, called)
    tell_time(work, name, about)
    followed = 0
    for _, other in included(work, name, about, (*within, file)):
        followed += 1
        take_phrases(work, other, exceptions=exceptions, inherited=called, within=(*within, file))
    taken: set[int] = set()
    problems: list[Problem] = []
    with file.open("rb") as stream:
        for item in read_phrases(stream, PhraseFile(name, category, exceptions)):
            if isinstance(item, ScoredPhrase):
                work.phrases[name, item.line] = item
                taken.add(item.line)
            elif isinstance(item, Problem):
                problems.append(item)
    unfollowed = len(about.includes) - followed
    left_out = sum(item.lines for item in problems if not item.taken) + unfollowed
    work.count(FileTally(name, len(taken), left_out, followed), problems)


def take_searches(work: Import, file: Path, within: tuple[Path, ...] = ()) -> None:
    name = work.tree.name(file)
    problems: list[Problem] = []
    taken = left_out = followed = 0
    for item in items_of(file, name):
        if isinstance(item, Problem):
            problems.append(item)
            left_out += 1
        elif isinstance(item, Line) and (key := search_key(item.text.replace("+", " "))):
            work.searches.setdefault(key, f"{name}:{item.number}")
            taken += 1
            if key != item.text.lower():
                why = f"its words are not sorted, so it never fits in e2guardian; taken as {key}"
                problems.append(problem(name, item.number, item.text, why, taken=True))
        elif isinstance(item, Line):
            problems.append(problem(name, item.number, item.text, "has no word to look for"))
            left_out += 1
    for _, other in included(work, name, read_facts(work, file), (*within, file)):
        followed += 1
        take_searches(work, other, (*within, file))
    work.count(FileTally(name, taken, left_out, followed), problems)


def take_members(work: Import, file: Path, group_names: dict[int, str]) -> None:
    """Who belongs to which group: users by name, machines by address."""
    name = work.tree.name(file)
    if name in work.files:
        return
    problems: list[Problem] = []
    taken = 0
    for item in items_of(file, name):
        if isinstance(item, Problem):
            problems.append(item)
        if not isinstance(item, Line):
            continue
        found = _MEMBER.fullmatch(item.text)
        group = group_names.get(int(found["group"])) if found else None
        if found is None or group is None:
            why = "is no `name = filter1` of a group there is"
            problems.append(problem(name, item.number, item.text, why))
            continue
        taken += 1
        _place(work, found["who"].lower(), group)
    left_out = sum(item.lines for item in problems if not item.taken)
    work.count(FileTally(name, taken, left_out), problems)


def _place(work: Import, who: str, group: str) -> None:
    try:
        work.places += [(network, group) for network in canonical_networks(who)]
    except NetworkProblem:
        work.people.append((who, group))


def leave_out(work: Import, file: Path, why: str) -> None:
    """A list that is not taken: told once, with the number of its lines."""
    name = work.tree.name(file)
    lines = [line_of(item) for item in items_of(file, name) if says_something(item)]
    first = lines[:1]
    problems = [problem(name, at, text, f"{why} ({len(lines):,} lines)", lines=len(lines)) for at, text in first]
    work.count(FileTally(name, 0, len(lines)), problems)
