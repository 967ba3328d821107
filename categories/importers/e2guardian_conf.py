"""e2guardian's configuration: which groups there are, which lists each has, and how much a page may score.

In comes the folder with `e2guardian.conf` and `e2guardianf1.conf`, `e2guardianf2.conf`, …; out come `Group` values and
every line that has no equal here. A folder of lists without a configuration is one group whose lists go by their names
(`bannedsitelist`, `localgreyurllist`, …). Grammar: docs/importing.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from categories.importers.e2guardian_places import Tree
from categories.model import Problem
from categories.parse import Line, problem

LIMIT = 60
"""`naughtynesslimit` of a group that names none."""
LIST_TYPES = frozenset(
    """sitelist ipsitelist urllist regexpboollist regexpreplacelist fileextlist mimelist searchlist timelist iplist
    ipmaplist maplist categorylist bannedphraselist weightedphraselist exceptionphraselist filtergroupslist
    contentregexplist""".split()  # noqa: SIM905
)
"""Settings that name a list file."""

_SETTING = re.compile(r"(?P<key>[A-Za-z]\w*)\s*=\s*(?P<quote>['\"]?)(?P<value>.*?)(?P=quote)\s*(?:#.*)?")
_DEFINE = re.compile(r"\.define\s+LISTDIR\s+<(?P<folder>[^>]*)>", re.IGNORECASE)
_INCLUDE = re.compile(r"\.include<(?P<path>[^>]*)>.*", re.IGNORECASE)
_BY_NAME = re.compile(
    r"(?:old|new)?(?P<label>.*?)(?P<type>siteiplist|sitelist|urllist|phraselist|searchlist|searchoveridelist|mimetypelist|"
    r"extensionlist|timelist|iplist|regexp\w*list|\w*regexplist|tldlist|clientlist)(?:\.in)?$"
)
_TYPE_BY_NAME = {
    "siteiplist": "ipsitelist",
    "mimetypelist": "mimelist",
    "extensionlist": "fileextlist",
    "searchoveridelist": "searchlist",
    "clientlist": "iplist",
    "tldlist": "sitelist",
}


class ListUse(NamedTuple):
    """A list a group uses."""

    type: str
    """`sitelist`, `urllist`, …"""
    label: str
    """`banned`, `localexception`, …: what the storyboard does with it."""
    path: str
    """Path as written."""


@dataclass(slots=True)
class Group:
    """One filter group."""

    number: int
    """From 1, which is where everybody is who is in no other."""
    name: str = ""
    """`groupname`."""
    limit: int = LIMIT
    """`naughtynesslimit`."""
    search_limit: int = 0
    """`searchtermlimit`: the score a search may reach; 0: searches are not scored."""
    phrases: bool = True
    """False when `weightedphrasemode` is 0: no phrase is looked for."""
    lists: dict[tuple[str, str], ListUse] = field(default_factory=dict)
    """Its lists by type and label: the last definition counts."""


class Setting(NamedTuple):
    """One setting."""

    line: Line
    """Its line."""
    file: str
    """The file it stands in."""
    key: str
    """Its name, lower case."""
    value: str
    """Its value without quotes."""


def read_groups(tree: Tree) -> tuple[list[Group], list[ListUse], list[Problem]]:
    """The groups, the lists of the whole installation, and what has no equal. Reads the configuration, or the names."""
    problems: list[Problem] = []
    main = tree.find("e2guardian.conf")
    if main is None:
        return [_by_names(tree)], [], problems
    shared: list[ListUse] = []
    count = 1
    everybody = Group(0)
    for setting in _settings(tree, main, problems):
        if setting.key == "weightedphrasemode":
            _take(setting, everybody, problems)
        elif setting.key == "filtergroups" and setting.value.isdigit():
            count = int(setting.value)
        elif setting.key in LIST_TYPES:
            shared += _uses(setting, problems)
    groups = []
    for number in range(1, count + 1):
        group = Group(number, phrases=everybody.phrases)
        groups.append(group)
        file = tree.find(f"e2guardianf{number}.conf")
        if file is None:
            why = "is not in the folder, so its group has no lists here; copy the whole configuration folder"
            problems.append(problem(f"e2guardianf{number}.conf", 0, f"e2guardianf{number}.conf", why))
            continue
        for setting in _settings(tree, file, problems):
            _take(setting, group, problems)
    return groups, shared, problems


def _take(setting: Setting, group: Group, problems: list[Problem]) -> None:
    key, value = setting.key, setting.value
    if key == "groupname":
        group.name = value
    elif key == "naughtynesslimit" and value.isdigit():
        group.limit = int(value)
    elif key == "searchtermlimit" and value.isdigit():
        group.search_limit = int(value)
    elif key == "weightedphrasemode":
        group.phrases = value != "0"
        if value == "1":
            problems.append(problem(setting.file, setting.line.number, setting.line.text, _EACH, taken=True))
    elif key in LIST_TYPES:
        for use in _uses(setting, problems):
            group.lists[use.type, use.label] = use
    elif (why := _LEFT_OUT.get(key)) and value.lower() not in {"", "off", "0", "-1"}:
        problems.append(problem(setting.file, setting.line.number, setting.line.text, why))


_EACH = "a phrase counted as often as it stands there; here each counts once, so set the limits of the lists lower"
_LEFT_OUT: Mapping[str, str] = {
    "storyboard": "a storyboard of its own may change the order of decisions; the import takes the shipped order",
    "bypass": "temporary bypass links: use an override with an end instead",
    "maxuploadsize": "uploads are limited for all in the settings (`proxy.upload_limit`)",
    "embeddedurlweight": "URLs inside URLs are decided as requests of their own here",
    "deepurlanalysis": "URLs inside URLs are decided as requests of their own here",
    "sslmitm": "decryption is the rule here; what must not be decrypted gets a rule with `action: bypass`",
    "groupmode": "0 closed everything, 2 opened everything for the group: write a rule on `anything`",
    "blockdownloads": "closed every download; rules here name categories and hosts",
}


def _uses(setting: Setting, problems: list[Problem]) -> Iterator[ListUse]:
    fields = dict(part.split("=", 1) for part in setting.value.split(",") if "=" in part)
    path = fields.get("path") or ("" if fields else setting.value)
    label = fields.get("name", setting.key.removesuffix("phraselist") if "phrase" in setting.key else "")
    if not path:
        why = "names no file; write 'name=…,path=…'"
        problems.append(problem(setting.file, setting.line.number, setting.line.text, why))
        return
    if fields.get("sitewild", "true").lower() == "false":
        why = "`sitewild=false` compared whole hosts only; here a host stands for everything below it, too"
        problems.append(problem(setting.file, setting.line.number, setting.line.text, why, taken=True))
    yield ListUse(setting.key, label.strip().lower(), path.strip())


def _settings(
    tree: Tree, file: Path, problems: list[Problem], seen: frozenset[Path] = frozenset()
) -> Iterator[Setting]:
    """Settings of a file and of those it includes, in order."""
    name = tree.name(file)
    for number, raw in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        line = Line(number, raw.strip())
        if not line.text or line.text.startswith("#"):
            continue
        if define := _DEFINE.fullmatch(line.text):
            tree.lists_folder = define["folder"]
        elif include := _INCLUDE.fullmatch(line.text):
            other = tree.resolve(include["path"])
            if other is None or other in seen:
                problems.append(problem(name, number, line.text, tree.why_not(include["path"], other)))
            else:
                yield from _settings(tree, other, problems, seen | {file})
        elif found := _SETTING.fullmatch(line.text):
            yield Setting(line, name, found["key"].lower(), found["value"])
        else:
            problems.append(problem(name, number, line.text, "is no setting `name = 'value'`; not read"))


def _by_names(tree: Tree) -> Group:
    """One group whose lists are all files of a known name."""
    group = Group(1, tree.root.name)
    for file in tree.files():
        use = use_by_name(file.name, tree.name(file))
        if use is not None:
            key = (use.type, use.label)
            group.lists[key if key not in group.lists else (use.type, f"{use.label} {use.path}")] = use
    return group


def use_by_name(name: str, path: str) -> ListUse | None:
    """What a list is by its file's name: `localbannedsitelist` is a `sitelist` for `localbanned`."""
    found = _BY_NAME.fullmatch(name.lower())
    if found is None:
        return None
    label, word = found["label"], found["type"]
    if word == "phraselist":
        return ListUse(f"{label}phraselist", label, path) if label in {"banned", "weighted", "exception"} else None
    if word == "regexpurllist":
        return ListUse("regexpboollist", label, path)
    if "regexp" in word:
        return ListUse("regexpreplacelist", label + word.replace("regexp", "").removesuffix("list"), path)
    return ListUse(_TYPE_BY_NAME.get(word, word), label, path)
