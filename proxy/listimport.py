"""Bring in what another filter was told: a folder of proposals out of an e2guardian, squidGuard or list file.

In come a source, its format and a new folder; out comes that folder with a copy of every list that is used
(`lists/`, unchanged, so that evidence names the maker's own lines), `settings.yaml` and `policy.yaml` to read and take
over, `people.csv` and `report.json`. Nothing is put in force: a person reads, decides and configures.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import yaml

from categories.importers.e2guardian import import_e2guardian
from categories.importers.proposal import FileTally, Imported, ProposedList, ProposedRule, kebab
from categories.importers.squidguard_conf import import_squidguard
from categories.importers.tallies import tally
from categories.model import Problem
from categories.sources import Format, ListFile, ListSource, list_files
from categories.taxonomy import Taxonomy, load_taxonomy
from policy.rules import PolicyErrors, load_policy
from proxy.settings import SettingsError, parse_settings

FORMATS: tuple[str, ...] = ("e2guardian", "squidguard", *get_args(Format))
"""What can be imported: two filters' configurations, and every format of a list."""
SITE = "school"
"""The site that imported places are given; a trust changes it."""


class ImportProblem(Exception):
    """An import that cannot be made: what, and what to do."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did."""

    format: str
    """What was imported."""
    into: Path
    """The new folder."""
    lists: int
    """Lists proposed."""
    rules: int
    """Rules proposed."""
    phrases: int
    """Phrases read."""
    searches: int
    """Closed searches read."""
    lines_taken: int
    """Lines of all files in force as proposed."""
    lines_left_out: int
    """Lines told as not taken. With the lines that name other files these are all lines that are no comment."""
    files: tuple[FileTally, ...]
    """What became of each file."""
    problems: tuple[Problem, ...]
    """Every line that is not taken or means something else."""


def import_tree(source: Path, format: str, into: Path, *, lists: Path | None = None) -> ImportReport:
    """Import `source` into the new folder `into`. `lists` is where squidGuard's `dbhome` lies now.

    Raises `ImportProblem` when the source cannot be read or the folder is in use; then nothing is left behind.
    """
    if into.exists() and any(into.iterdir()):
        raise ImportProblem(f"{into} is not empty; name a new folder")
    taxonomy = load_taxonomy()
    try:
        found = _imported(source, format, taxonomy, lists)
        aside = into.with_name(f".{into.name}.importing")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            _write(found, taxonomy, aside, into)
            into.mkdir(exist_ok=True)
            aside.replace(into)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise ImportProblem(f"cannot import {source}: {error}") from error
    return _report(found, into)


def look_through(source: Path, format: str) -> ImportReport:
    """What an import of one list would tell of its lines; nothing is written. Raises `ImportProblem`."""
    if format not in FORMATS[2:]:
        raise ImportProblem(f"format {format!r} is unknown; one of: {', '.join(FORMATS[2:])}")
    try:
        return _report(_one_list(_there(source), format, load_taxonomy()), source)
    except OSError as error:
        raise ImportProblem(f"cannot read {source}: {error}") from error


def _imported(source: Path, format: str, taxonomy: Taxonomy, lists: Path | None) -> Imported:
    if format == "e2guardian":
        folder = source if source.is_dir() else source.parent
        return import_e2guardian(_there(folder), taxonomy)
    if format == "squidguard":
        file = source / "squidGuard.conf" if source.is_dir() else source
        return import_squidguard(_there(file), taxonomy, lists)
    if format not in FORMATS:
        raise ImportProblem(f"format {format!r} is unknown; one of: {', '.join(FORMATS)}")
    return _one_list(_there(source), format, taxonomy)


def _there(path: Path) -> Path:
    if not path.exists():
        raise ImportProblem(f"{path} is not there")
    return path


def _one_list(source: Path, format: Any, taxonomy: Taxonomy) -> Imported:
    """A list or a tree of lists as it is: read through for its report, configured in one piece."""
    name = kebab(source.stem) or "imported"
    files: list[FileTally] = []
    problems: list[Problem] = []
    parts: list[ListFile] = []
    for item in list_files(ListSource(name, source, format), taxonomy):
        if isinstance(item, Problem):
            problems.append(item)
        else:
            parts.append(item)
    whole = sum(item.lines for item in problems if not item.taken)
    for part in parts:
        counted, told = tally(part.path, part.name, part.format, only=part.only)
        files.append(counted)
        problems += told
    if not files:
        raise ImportProblem("; ".join(f"{item.text} {item.why}" for item in problems) or f"{source} holds no list")
    if whole and files:
        files.append(FileTally(source.name, 0, whole))
    category = None if format in {"ut1", "csv"} else taxonomy.resolve(name) or name
    proposed = ProposedList(name, source, format, category)
    return Imported(format, lists=(proposed,), files=tuple(files), problems=tuple(problems))


def _write(found: Imported, taxonomy: Taxonomy, aside: Path, into: Path) -> None:
    copied = tuple(replace(item, path=_copied(item, aside)) for item in found.lists)
    settings = settings_text(found, copied)
    policy = policy_text(found)
    _check(settings, policy, found, taxonomy)
    (aside / "settings.yaml").write_text(settings, encoding="utf-8")
    if found.rules:
        (aside / "policy.yaml").write_text(policy, encoding="utf-8")
    if found.people:
        with (aside / "people.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([("user", "group"), *found.people])
    report = report_facts(_report(found, into))
    (aside / "report.json").write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")


def _copied(item: ProposedList, aside: Path) -> Path:
    """Copy what a list is made of; give its path within the new folder."""
    place = Path("lists") / item.name
    if item.path.is_dir():
        shutil.copytree(item.path, aside / place, symlinks=True)
    else:
        place = place.with_name(f"{place.name}.txt") if not place.suffix else place
        (aside / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(item.path, aside / place)
    return place


def settings_text(found: Imported, lists: tuple[ProposedList, ...]) -> str:
    """The part of a settings file that configures the lists and says who is where."""
    content: dict[str, Any] = {"lists": [_list_settings(item) for item in lists]}
    if found.places:
        content["identity"] = {
            "places": [{"network": network, "site": SITE, "groups": [group]} for network, group in found.places]
        }
    head = f"# Proposed by `schoolgate lists import` from {found.format}: read it, then copy what you want.\n"
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def _list_settings(item: ProposedList) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": item.name, "path": item.path.as_posix(), "format": item.format}
    if item.category:
        fields["category"] = item.category
    if item.url_match != "exact":
        fields["url_match"] = item.url_match
    if item.limit is not None:
        fields["limit"] = item.limit
    return fields | {"apply_to": list(item.apply_to)} if item.apply_to else fields


def policy_text(found: Imported) -> str:
    """A policy that decides as the old configuration did, as far as it can be said."""
    content: dict[str, Any] = {"schoolgate": 1, "trust": f"Imported from {found.format}", "timezone": "Europe/London"}
    if found.schedules:
        content["schedules"] = {item.name: {"days": item.days, "times": list(item.times)} for item in found.schedules}
    if found.groups:
        content["groups"] = {
            group.name: {"title": group.title} | ({"band": group.band} if group.band else {}) for group in found.groups
        }
    content["sites"] = {SITE: {"title": "The school"}}
    rules = [_rule_fields(rule) for rule in found.rules]
    content["policies"] = [{"tier": "default", "owner": f"imported from {found.format}", "rules": rules}]
    head = f"# Proposed by `schoolgate lists import` from {found.format}. Check every rule before you use it.\n"
    limits = "".join(
        f"# Phrase limit of {name}: {limit}. Bands are a guess from it; set them as the pupils are.\n"
        for name, limit in found.limits.items()
    )
    return head + limits + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def _rule_fields(rule: ProposedRule) -> dict[str, Any]:
    fields: dict[str, Any] = {"rule": rule.name}
    for key, items in (("who", rule.who), ("what", rule.what), ("when", rule.when)):
        if items:
            fields[key] = list(items)
    return fields | {"action": rule.action}


def _check(settings: str, policy: str, found: Imported, taxonomy: Mapping[str, Any]) -> None:
    """What is proposed must load. A mistake here is ours, so it is no problem of the imported files."""
    names = {item.category for item in found.lists if item.category and item.category not in taxonomy}
    own = dict.fromkeys(names, taxonomy["always-blocked"])
    try:
        parse_settings(settings, "settings.yaml")
        if found.rules:
            load_policy(policy, file="policy.yaml", categories={**taxonomy, **own})
    except (SettingsError, PolicyErrors) as error:
        raise RuntimeError(f"the import proposes what does not load: {error}") from error


def _report(found: Imported, into: Path) -> ImportReport:
    return ImportReport(
        format=found.format,
        into=into,
        lists=len(found.lists),
        rules=len(found.rules),
        phrases=len(found.phrases),
        searches=len(found.searches),
        lines_taken=sum(file.taken for file in found.files),
        lines_left_out=sum(file.left_out for file in found.files),
        files=found.files,
        problems=found.problems,
    )


def report_facts(report: ImportReport) -> dict[str, Any]:
    """The report as JSON says it."""
    return asdict(report) | {"into": str(report.into)}


def reasons(report: ImportReport) -> list[tuple[str, int]]:
    """Why lines were not taken or changed, and how many, most first."""
    counted: Counter[str] = Counter()
    for item in report.problems:
        counted[item.why.partition(" (")[0]] += item.lines
    return counted.most_common()
