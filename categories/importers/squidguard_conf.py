"""`squidGuard.conf`: its destinations as lists, its sources as groups, its acl as rules in order.

In come the configuration file and the folder its lists lie in; out comes an `Imported`. In `pass a !b none` the first
word that fits decides, as in a policy, so every word becomes a rule; what the words do not settle is open, which
squidGuard adds by itself. A destination that is only ever closed takes the taxonomy's name for its category; one that
opens something stays a category of its own, lest it open more than its list names. Nothing is in force.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from categories.importers.proposal import (
    FileTally,
    Imported,
    ProposedGroup,
    ProposedList,
    ProposedRule,
    ProposedSchedule,
    category_for,
    kebab,
)
from categories.importers.squidguard_grammar import Block, Configuration, Part, Statement, parse_squidguard
from categories.importers.squidguard_times import schedules_of
from categories.importers.tallies import tally
from categories.model import Problem
from categories.networks import NetworkProblem, canonical_networks
from categories.parse import FileFormat, problem
from categories.sources import Names

_FILES: Mapping[str, tuple[FileFormat, str]] = {
    "domainlist": ("domains", ""),
    "urllist": ("urls", "/urls"),
    "expressionlist": ("expressions", "/expressions"),
}
_CLOSERS = frozenset({"none"})
_OPENERS = frozenset({"all", "any"})
_SOURCE_LEFT_OUT = "{word} is no address and no user; bring such people in by sign-in groups or the register"
_SOURCE_AT_TIMES = "a source at some times only; a group is one at all times: put the time into `when` of its rules"
_BOTH = "names addresses and users, and squidGuard wants both; here being either is enough to be in the group"
_BLOCK_PAGE = "the block page is built in; it says why, and whom to ask"
_REWRITE = "rewrites requests; SafeSearch is built in, other rewriting is not taken"


@dataclass(slots=True)
class _Import:
    """An import in the making."""

    name: str
    found: Configuration
    names: Names
    folder: Path
    times: dict[str, list[str]] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)
    borders: dict[str, Part] = field(default_factory=dict)
    lists: list[ProposedList] = field(default_factory=list)
    files: dict[str, FileTally] = field(default_factory=dict)
    schedules: list[ProposedSchedule] = field(default_factory=list)
    places: list[tuple[str, str]] = field(default_factory=list)
    people: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def tell(self, line: int, text: str, why: str, *, taken: bool = False) -> None:
        """Note a line of the configuration."""
        self.problems.append(problem(self.name, line, text, why, taken=taken))


def import_squidguard(file: Path, names: Names, lists: Path | None = None) -> Imported:
    """Read a configuration. `lists` is where its `dbhome` lies now; None looks beside the file. Raises `OSError`."""
    found = parse_squidguard(file.read_text(encoding="utf-8", errors="replace"), file.name)
    work = _Import(file.name, found, names, lists or file.parent, problems=list(found.problems))
    for block in found.of_kind("time"):
        _time(work, block)
    for block in found.of_kind("rewrite"):
        work.tell(block.line, f"rewrite {block.name}", _REWRITE)
    opened = {word for _, part, word in _words(found) if not word.startswith("!")}
    for block in found.of_kind("dest"):
        _destination(work, block, opened)
    groups = [_source(work, block) for block in found.of_kind("source")]
    rules = list(_rules(work, {group.name for group in groups}))
    return Imported(
        format="squidguard",
        lists=tuple(work.lists),
        groups=tuple(groups),
        schedules=tuple(work.schedules),
        rules=tuple(rules),
        places=tuple(dict.fromkeys(work.places)),
        people=tuple(dict.fromkeys(work.people)),
        files=tuple(work.files.values()),
        problems=tuple(work.problems),
    )


def _words(found: Configuration) -> Iterator[tuple[Block, Part, str]]:
    """Every word of every `pass` line."""
    for block in found.of_kind("acl"):
        for part in block.parts:
            for statement in part.statements:
                if statement.words[0].lower() == "pass":
                    yield from ((block, part, word) for word in statement.words[1:])


def _time(work: _Import, block: Block) -> None:
    names: list[str] = []
    for item in schedules_of(block, work.name):
        if isinstance(item, Problem):
            work.problems.append(item)
        else:
            work.schedules.append(item)
            names.append(item.name)
    work.times[block.name] = names


def _destination(work: _Import, block: Block, opened: set[str]) -> None:
    """A destination: its files become lists of one category."""
    name = kebab(block.name)
    paths = {s.words[0].lower(): s for part in block.parts for s in part.statements if s.words[0].lower() in _FILES}
    folders = [PurePosixPath(statement.words[-1]).parent.name for statement in paths.values()]
    known = category_for(work.names, block.name, *folders)
    category = known if known and block.name not in opened else f"squidguard-{name}"
    if block.parts and block.parts[0].border:
        work.borders[block.name] = block.parts[0]
    for kind, statement in paths.items():
        format, suffix = _FILES[kind]
        _list(work, statement, f"squidguard/{name}{suffix}", format, category)
    if any(item.category == category for item in work.lists):
        work.categories[block.name] = category
    elif known == category:
        work.categories[block.name] = category
        why = f"holds no entry; what it closes stays closed by other lists of category {category}"
        work.tell(block.line, f"dest {block.name}", why, taken=True)
    else:
        work.tell(block.line, f"dest {block.name}", "holds no entry; rules that name it are left out")
    for part in block.parts:
        for statement in part.statements:
            _destination_extra(work, statement)


def _destination_extra(work: _Import, statement: Statement) -> None:
    word = statement.words[0].lower()
    if word == "redirect":
        work.tell(statement.line, statement.text, _BLOCK_PAGE)
    elif word in {"rewrite", "rew"}:
        work.tell(statement.line, statement.text, _REWRITE)
    elif word in {"log", "logfile"}:
        work.tell(statement.line, statement.text, "every request is in the record; there are no logs of single lists")
    elif word not in _FILES:
        work.tell(statement.line, statement.text, f"`{word}` is nothing a destination can say here")


def _list(work: _Import, statement: Statement, name: str, format: FileFormat, category: str) -> None:
    file = _find(work, statement.words[-1])
    if file is None:
        why = f"is not below {work.folder.name}; give the folder of the lists"
        work.tell(statement.line, statement.text, why)
        return
    written = file.relative_to(work.folder.resolve()).as_posix()
    counted, problems = tally(file, written, format)
    if written not in work.files:
        work.files[written] = counted
        work.problems += problems
    if counted.taken:
        work.lists.append(ProposedList(name, file, format, category))


def _find(work: _Import, written: str) -> Path | None:
    """A list below the folder; `dbhome` and whatever stands before it do not matter."""
    root = work.folder.resolve()
    parts = [part for part in PurePosixPath(written).parts if part != "/"]
    if ".." in parts:
        return None
    places = (root.joinpath(*parts[start:]) for start in range(len(parts)))
    return next((p.resolve() for p in places if p.is_file() and p.resolve().is_relative_to(root)), None)


def _source(work: _Import, block: Block) -> ProposedGroup:
    """A source: its addresses and users become members of a group."""
    name = kebab(block.name)
    kinds: set[str] = set()
    for part in block.parts:
        if part.border:
            work.tell(part.line, f"source {block.name} {part.border} {part.time}", _SOURCE_AT_TIMES)
        for statement in part.statements:
            kinds.add(statement.words[0].lower())
            _member(work, statement, name)
    if {"ip", "iplist"} & kinds and {"user", "userlist"} & kinds:
        work.tell(block.line, f"source {block.name}", _BOTH, taken=True)
    return ProposedGroup(name, block.name)


def _member(work: _Import, statement: Statement, group: str) -> None:
    word, *rest = statement.words
    word = word.lower()
    if word == "user":
        work.people += [(user.lower(), group) for user in rest]
    elif word == "ip":
        _addresses(work, statement.line, statement.text, rest, group)
    elif word in {"iplist", "userlist"}:
        _member_file(work, statement, group)
    elif word in {"within", "outside"}:
        work.tell(statement.line, statement.text, _SOURCE_AT_TIMES)
    else:
        work.tell(statement.line, statement.text, _SOURCE_LEFT_OUT.format(word=f"`{word}`"))


def _addresses(work: _Import, line: int, text: str, written: list[str], group: str) -> int:
    taken = 0
    for address in written:
        try:
            work.places += [(network, group) for network in canonical_networks(address)]
            taken += 1
        except NetworkProblem as why:
            work.tell(line, text, f"{address} {why}")
    return taken


def _member_file(work: _Import, statement: Statement, group: str) -> None:
    file = _find(work, statement.words[-1])
    if file is None:
        work.tell(statement.line, statement.text, f"is not below {work.folder.name}; give the folder of the lists")
        return
    lines = [text.strip() for text in file.read_text(encoding="utf-8", errors="replace").splitlines()]
    members = [text for text in lines if text and not text.startswith("#")]
    if statement.words[0].lower() == "userlist":
        work.people += [(member.split(":")[0].lower(), group) for member in members]
        return
    for member in members:
        _addresses(work, statement.line, member, member.split(), group)


def _rules(work: _Import, groups: set[str]) -> Iterator[ProposedRule]:
    """The acl, source by source; `default`, which is everybody else, last."""
    blocks = sorted(work.found.of_kind("acl"), key=lambda block: block.name.lower() == "default")
    for block in blocks:
        name = kebab(block.name)
        if block.name.lower() != "default" and name not in groups:
            work.tell(block.line, block.name, "is no source there is; its rules are left out")
            continue
        who = () if block.name.lower() == "default" else (f"group:{name}",)
        for place, part in enumerate(block.parts, 1):
            number = f"-{place}" if len(block.parts) > 1 else ""
            yield from _part_rules(work, part, f"{name}{number}", who)


def _part_rules(work: _Import, part: Part, name: str, who: tuple[str, ...]) -> Iterator[ProposedRule]:
    when = _condition(work, part.line, part.border, part.time)
    words: list[tuple[str, int]] = []
    for statement in part.statements:
        if statement.words[0].lower() == "pass":
            words += [(word, statement.line) for word in statement.words[1:]]
        else:
            _destination_extra(work, statement)
    if not any(word.lower() in _OPENERS | _CLOSERS for word, _ in words):
        words.append(("all", part.line))
    for place, (word, line) in enumerate(words, 1):
        rule = _rule(work, part, (word, line), f"{name}-{place}-{kebab(word)}", who, when)
        if rule is not None:
            yield rule
        if word.lower() in _OPENERS | _CLOSERS:
            left = [other for other, _ in words[place:]]
            if left:
                work.tell(line, " ".join(left), f"stands behind `{word}`, so it never decided anything")
            return


def _rule(
    work: _Import, part: Part, asked: tuple[str, int], name: str, who: tuple[str, ...], when: tuple[str, ...]
) -> ProposedRule | None:
    """One word of a `pass` line, with the line."""
    word, line = asked
    closed = word.startswith("!")
    target = word.removeprefix("!")
    note = f"`pass {word}` at line {line}"
    if target.lower() in _OPENERS | _CLOSERS:
        opens = (target.lower() in _OPENERS) != closed
        return ProposedRule(name, "allow" if opens else "block", ("anything",), who, when, note)
    action = "block" if closed else "allow"
    if target.lower() == "in-addr":
        return ProposedRule(name, action, ("signal:ip-literal",), who, when, note)
    category = work.categories.get(target)
    if category is None:
        if target not in {block.name for block in work.found.of_kind("dest")}:
            work.tell(line, word, "is no destination there is; left out")
        return None
    border = work.borders.get(target)
    if border is not None:
        own = _condition(work, border.line, border.border, border.time)
        if border.border == part.border == "within":
            work.tell(line, word, "holds within two times at once; proposed for the first only", taken=True)
        else:
            when = (*when, *own)
    return ProposedRule(name, action, (category,), who, when, note)


def _condition(work: _Import, line: int, border: str, time: str) -> tuple[str, ...]:
    """What `when` says. A time of several lines is several schedules: within any of them, or outside all."""
    if not border:
        return ()
    schedules = work.times.get(time)
    if not schedules:
        why = "names no weekly time there is; the rules are proposed for all times, check them"
        work.tell(line, f"{border} {time}", why, taken=True)
        return ()
    return tuple(schedules if border == "within" else (f"not {schedule}" for schedule in schedules))
