"""An e2guardian installation: its groups, lists and phrases as lists, rules and phrases of ours.

In comes a folder (`/etc/e2guardian` or a copy of it, or a folder of lists alone); out comes an `Imported`: a list for
every file with our category, rules in e2guardian's order of decisions, phrases, and every line that is not taken or
means something else. Nothing is written and nothing is in force. Grammar and order: docs/importing.md.
"""

from __future__ import annotations

from pathlib import Path

from categories.importers.e2guardian_conf import ListUse, read_groups
from categories.importers.e2guardian_places import Tree
from categories.importers.e2guardian_rules import GroupLists, proposed_groups, rules_for
from categories.importers.e2guardian_words import (
    leave_out,
    said_lines,
    take_members,
    take_phrases,
    take_searches,
    tell_together,
    tell_what_differs,
)
from categories.importers.e2guardian_work import Import, ListFacts, found_file, included, read_facts, tell_time
from categories.importers.proposal import Imported, category_for, kebab
from categories.importers.tallies import tally
from categories.parse import FileFormat
from categories.sources import Names

FORMATS: dict[str, FileFormat] = {
    "sitelist": "e2guardian-sites",
    "ipsitelist": "networks",
    "urllist": "e2guardian-urls",
    "regexpboollist": "expressions",
}
"""List types whose entries are hosts, addresses and URLs."""
ROLES = {
    "banned": "banned",
    "bannedssl": "banned",
    "exception": "exception",
    "grey": "grey",
    "localbanned": "local-banned",
    "localbannedssl": "local-banned",
    "localexception": "local-exception",
    "localgrey": "local-grey",
    "log": "log",
    "logurl": "log",
}
"""What a label means for a request. Other labels are for things a list cannot say here."""
SEARCH_ROLES = {"banned": "banned-search", "localbanned": "local-banned-search", "override": "open-search"}
"""What a list of searches is for."""
_LABELS_LEFT_OUT = {
    "semiexception": "trusts a site but for its closed URLs: put the URLs' rule before the one that allows the site",
    "exceptionfile": "opens downloads only; rules here name categories, hosts and URLs",
    "nocheckcert": "switches the check of certificates off; here certificates are always checked",
    "refererexception": "allows by the page a request comes from, which the sender can forge; not taken",
    "embededreferer": "allows by the page a request comes from, which the sender can forge; not taken",
    "authexception": "opens sites before sign-in; write a rule for `everyone`",
    "greyssl": "chooses what is decrypted; here everything is but what a rule with `bypass` names",
    "localgreyssl": "chooses what is decrypted; here everything is but what a rule with `bypass` names",
    "bannedbypass": "no override link for these; only LOCKED and TRUST rules outrank an override here",
    "exceptionvirus": "not looked at by the virus scanner; there is none here",
}
_TYPES_LEFT_OUT = {
    "regexpreplacelist": "changes requests or pages by regular expressions; SafeSearch is built in",
    "contentregexplist": "changes pages by regular expressions; pages are never changed here",
    "fileextlist": "goes by file name extensions; not taken",
    "mimelist": "goes by MIME types; not taken",
    "timelist": "times are the policy's: write a schedule and put it into `when`",
    "iplist": "goes by the client's address; write places in the settings, and rules for their groups",
    "categorylist": "a list of category names; write them into a rule",
}
_MEMBER_TYPES = frozenset({"filtergroupslist", "maplist", "ipmaplist"})
_MEMBER_NAMES = frozenset({"filtergroupslist", "ipgroups"})


def import_e2guardian(root: Path, names: Names) -> Imported:
    """Read an installation. Raises `OSError` when a file cannot be read."""
    tree = Tree(root)
    groups, shared, problems = read_groups(tree)
    work = Import(tree, names, len(groups) > 1, problems=problems)
    proposed = proposed_groups(groups)
    group_names = {group.number: ours.name for group, ours in proposed}
    told = [GroupLists(group) for group in groups]
    for lists in told:
        for use in lists.group.lists.values():
            _use(work, use, lists)
    for use in shared:
        _shared(work, use, group_names)
    _by_name(work, told, group_names)
    tell_what_differs(work)
    return Imported(
        format="e2guardian",
        lists=tuple(work.lists.values()),
        phrases=tuple(work.phrases.values()),
        searches=work.searches,
        groups=tuple(ours for group, ours in proposed if group.number != 1),
        rules=tuple(rules_for(told, group_names)),
        places=tuple(work.places),
        people=tuple(work.people),
        limits={ours.name: group.limit for group, ours in proposed},
        files=tuple(work.files.values()),
        problems=tuple(dict.fromkeys(work.problems)),
    )


def _use(work: Import, use: ListUse, lists: GroupLists) -> None:
    """One list of a group."""
    file = found_file(work, use)
    label = use.label.partition(" ")[0]
    if file is None:
        return
    if use.type.endswith("phraselist") and lists.group.phrases:
        take_phrases(work, file, lists, exceptions=use.type == "exceptionphraselist")
    elif use.type.endswith("phraselist"):
        leave_out(work, file, "`weightedphrasemode` is 0: no phrase is looked for there; not proposed")
    elif use.type == "searchlist" and label in SEARCH_ROLES:
        number = f"-{lists.group.number}" if work.several else ""
        take_searches(work, file, lists, SEARCH_ROLES[label], f"e2guardian-{SEARCH_ROLES[label]}{number}")
    elif use.type in FORMATS and label in ROLES:
        role = ROLES[label]
        number = f"-{lists.group.number}" if work.several else ""
        own = work.own.setdefault((file, role), f"e2guardian-{role}{number}")
        _follow(work, file, FORMATS[use.type], role, own, lists)
    else:
        leave_out(work, file, _why_not(use.type, label))


def _shared(work: Import, use: ListUse, group_names: dict[int, str]) -> None:
    """One list of the whole installation."""
    file = found_file(work, use)
    if file is not None and use.type in _MEMBER_TYPES:
        take_members(work, file, group_names)
    elif file is not None:
        leave_out(work, file, _why_not(use.type, use.label))


def _by_name(work: Import, told: list[GroupLists], group_names: dict[int, str]) -> None:
    """Files no configuration names: members go by their name, phrase lists are read when there is no configuration."""
    unused: list[tuple[str, int]] = []
    bare = work.tree.find("e2guardian.conf") is None
    for file in work.tree.files():
        name = work.tree.name(file)
        if name in work.files or ("phraselists/" not in f"/{name}" and file.name not in _MEMBER_NAMES):
            continue
        if file.name in _MEMBER_NAMES:
            take_members(work, file, group_names)
        elif not file.name.startswith(("weighted", "banned", "exception")):
            continue
        elif bare:
            take_phrases(work, file, told[0], exceptions=file.name.startswith("exception"))
        elif lines := said_lines(work, file):
            unused.append((name, lines))
    if unused:
        tell_together(work, unused, "phrase files that no list includes: not in force there, not imported")


def _why_not(type: str, label: str) -> str:
    known = next((why for start, why in _LABELS_LEFT_OUT.items() if label.startswith(start)), None)
    return (
        known or _TYPES_LEFT_OUT.get(type) or f"a {type} for {label or 'nothing known'}; there is no such decision here"
    )


def _follow(
    work: Import, file: Path, format: FileFormat, role: str, own: str, lists: GroupLists, within: tuple[Path, ...] = ()
) -> None:
    """A list and the lists it includes: each is a list of its own, so that a line number names one line."""
    about = read_facts(work, file)
    name = work.tree.name(file)
    tell_time(work, name, about)
    lists.blanket = lists.blanket or about.blanket
    followed: set[int] = set()
    for include, other in included(work, name, about, (*within, file)):
        followed.add(include.line.number)
        _follow(work, other, format, role, own, lists, (*within, file))
    counted, problems = tally(file, name, format, followed=followed, top_levels=True)
    lines_told = {item.line.number for item in (*about.includes, about.when) if item is not None}
    work.count(counted, [item for item in problems if item.line not in lines_told])
    if not counted.taken:
        return
    category = _category(work, file, about, role, own)
    work.propose(file, format, category)
    lists.add(role, category)


def _category(work: Import, file: Path, about: ListFacts, role: str, own: str) -> str:
    """A closed list is what its maker calls it; one that opens is only ever itself, lest it open more than it names."""
    folder = file.parent.name if file.name in {"domains", "urls", "expressions"} else ""
    known = category_for(work.names, about.category, folder)
    if role == "log":
        return known or kebab(about.category or folder) or own
    return known if known and role in {"banned", "local-banned"} else own
