"""e2guardian's lists of words and of people: phrases, closed searches, members of groups, and lists that are left out.

In comes a file of the imported folder; what it holds is noted in the `Import`, every line of it counted.
"""

from __future__ import annotations

import re
from pathlib import Path

from categories.importers.e2guardian_conf import Group
from categories.importers.e2guardian_phrases import PhraseFile, read_phrases
from categories.importers.e2guardian_rules import GroupLists
from categories.importers.e2guardian_work import (
    Import,
    Sought,
    included,
    items_of,
    line_of,
    read_facts,
    says_something,
    tell_time,
)
from categories.importers.proposal import FileTally, category_for, own_category
from categories.importers.searchlists import UNSORTED
from categories.model import Problem
from categories.networks import NetworkProblem, canonical_networks
from categories.parse import FileFormat, Line, counted, problem
from categories.scoring import PhraseKind, ScoredPhrase
from categories.searchwords import search_key

_BY_CATEGORY = (
    "e2guardian adds up the points of all categories; here each category has its own, up to the limit of its list"
)
_ONE_LIMIT = (
    "pages may reach {0} and searches {1}; a list has one limit here, the lower: set `page_limits` in the policy"
)
_MEMBER = re.compile(r"(?P<who>[^=]+?)\s*=\s*(?:filter)?(?P<group>\d+)")


def take_phrases(
    work: Import,
    file: Path,
    lists: GroupLists,
    *,
    exceptions: bool,
    inherited: str = "",
    within: tuple[Path, ...] = (),
) -> None:
    """A phrase list and those it includes: a list each; category and kind go down, never back up.

    A group closes the categories that some phrase of its lists has points for; what only speaks for a text closes none.
    """
    name = work.tree.name(file)
    about = read_facts(work, file)
    called = about.category or inherited or file.parent.name
    category = category_for(work.names, called, file.parent.name) or own_category(work.names, called)
    tell_time(work, name, about)
    followed = 0
    for _, other in included(work, name, about, (*within, file)):
        followed += 1
        take_phrases(work, other, lists, exceptions=exceptions, inherited=called, within=(*within, file))
    sought = _sought(lists.group)
    if name in work.files:
        if (known := work.closing.get(file)) is not None:
            work.propose(file, _format(exceptions), category, sought)
            if known:
                lists.add("phrases", known)
        return
    taken: set[int] = set()
    closes = False
    problems: list[Problem] = []
    with file.open("rb") as stream:
        for item in read_phrases(stream, PhraseFile(name, category, exceptions)):
            if isinstance(item, ScoredPhrase):
                work.phrases[name, item.line] = item
                taken.add(item.line)
                closes = closes or item.kind is PhraseKind.BANNED or item.weight > 0
            elif isinstance(item, Problem):
                problems.append(item)
    if taken:
        work.closing[file] = category if closes else ""
        work.propose(file, _format(exceptions), category, sought)
        if sought.limit != lists.group.limit:
            why = _ONE_LIMIT.format(lists.group.limit, lists.group.search_limit)
            problems.append(problem(name, 0, "searchtermlimit", why, lines=0, taken=True))
    if closes:
        lists.add("phrases", category)
    unfollowed = len(about.includes) - followed
    left_out = sum(item.lines for item in problems if not item.taken) + unfollowed
    work.count(FileTally(name, len(taken), left_out, followed), problems)


def _sought(group: Group) -> Sought:
    """Pages always; searches only where the group has a limit for them (`searchtermlimit` is 0 as shipped)."""
    if not group.search_limit:
        return Sought(group.limit, ("page",))
    return Sought(min(group.limit, group.search_limit), ("page", "search"))


def _format(exceptions: bool) -> FileFormat:
    return "exception-phrases" if exceptions else "phrases"


def take_searches(
    work: Import, file: Path, lists: GroupLists, role: str, own: str, within: tuple[Path, ...] = ()
) -> None:
    """A list of whole searches and those it includes: a list each, of a category of their own."""
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
                why = f"{UNSORTED}{key}"
                problems.append(problem(name, item.number, item.text, why, taken=True))
        elif isinstance(item, Line):
            problems.append(problem(name, item.number, item.text, "has no word to look for"))
            left_out += 1
    for _, other in included(work, name, read_facts(work, file), (*within, file)):
        followed += 1
        take_searches(work, other, lists, role, own, (*within, file))
    work.count(FileTally(name, taken, left_out, followed), problems)
    if taken:
        category = category_for(work.names, read_facts(work, file).category) or own
        category = own if role == "open-search" else category
        work.propose(file, "searches", category)
        lists.add(role, category)


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
    problems = [
        problem(name, at, text, f"{why} ({counted(len(lines), 'line')})", lines=len(lines)) for at, text in first
    ]
    work.count(FileTally(name, 0, len(lines)), problems)


_UNREAD = (
    ("authplugins/", "says how people sign in; here that is the settings' (docs/identity.md)"),
    ("contentscanners/", "is about virus scanners; there is none here"),
    ("languages/", "holds the words of its pages; the pages here have their own"),
    (".story", "is an order of decisions; the import takes the shipped one, so compare if you changed it"),
)
"""Files no list setting names, by a part of their path, and what they are."""
_UNNAMED = "is named by no setting: not in force there"
_CONFIGURATION = re.compile(r"e2guardian(?:f\d+)?\.conf(?:\.in)?")


def tell_what_differs(work: Import) -> None:
    """Once for the whole import: how phrases are counted, and the files that nothing names."""
    if work.phrases:
        taken = len(work.phrases)
        work.problems.append(problem("phraselists", 0, f"{taken:,} phrases", _BY_CATEGORY, lines=taken, taken=True))
    unread: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for file in work.tree.files():
        name = work.tree.name(file)
        if name in work.files or "phraselists/" in f"/{name}" or _CONFIGURATION.fullmatch(file.name):
            continue
        kind = next((kind for kind in _UNREAD if kind[0] in name), (name, _UNNAMED))
        if lines := said_lines(work, file):
            unread.setdefault(kind, []).append((name, lines))
    for (_, why), those in unread.items():
        tell_together(work, those, why)


def said_lines(work: Import, file: Path) -> int:
    """How many lines of a file say something."""
    return sum(map(says_something, items_of(file, work.tree.name(file))))


def tell_together(work: Import, files: list[tuple[str, int]], why: str) -> None:
    """Files of one kind that are not taken: told once with their number, each with its lines counted."""
    for name, count in files:
        work.count(FileTally(name, 0, count), [])
    lines = sum(count for _, count in files)
    told = f"{why} ({counted(len(files), 'file')}, {counted(lines, 'line')})"
    work.problems.append(problem(files[0][0], 0, ", ".join(name for name, _ in files), told, lines=lines))
