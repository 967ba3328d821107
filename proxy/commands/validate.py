"""`schoolgate validate`: would these settings and this policy be taken? Changes nothing, needs no running proxy.

In comes a file, or what the settings point at; out comes every problem at once, each with file, line and what would
have been right. What works but is surely not meant is told as a warning and does not fail.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from policy.problems import PolicyProblem
from proxy.settings import Settings, SettingsError, SettingsProblem, parse_settings


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("validate", help="check settings and policy, tell every problem")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a policy file; default the one in force")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.set_defaults(handle=handle, tell_settings=tell_settings)


def tell_settings(args: argparse.Namespace, error: SettingsError) -> int:
    """The settings themselves are wrong: that is an answer too. Always 1."""
    report = Report(error.problems[0].file if error.problems else "", "settings", error.problems)
    if args.json:
        print(json.dumps(report.as_json()))
    else:
        report.tell()
    return 1


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """0 when it would be taken, 1 when not, 2 when it cannot be read. The settings in force were checked before."""
    from categories.stored import SnapshotError
    from proxy.assembly import policy_text

    try:
        text, name = (args.file.read_text(encoding="utf-8"), str(args.file)) if args.file else policy_text(settings)
        report = _on_a_disk(_check(text, name, settings), settings)
    except (OSError, UnicodeDecodeError, SnapshotError) as error:
        print(f"validate: {args.file or settings.policy_file or 'lists'}: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(report.as_json()))
    else:
        report.tell()
    return 0 if report.good else 1


@dataclass(frozen=True, slots=True)
class Report:
    """What was found."""

    file: str
    """The file."""
    kind: str
    """`policy` or `settings`."""
    problems: tuple[PolicyProblem | SettingsProblem, ...] = ()
    """Mistakes: it would not be taken."""
    warnings: tuple[PolicyProblem, ...] = ()
    """Oddities: it would be taken."""
    holds: str = ""
    """What a good file holds, in words."""

    @property
    def good(self) -> bool:
        """Whether it would be taken."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        found = {"problems": self.problems, "warnings": self.warnings}
        told = {key: [asdict(problem) for problem in problems] for key, problems in found.items()}
        return {"ok": self.good, "file": self.file, "kind": self.kind, **told}

    def tell(self) -> None:
        """For people: the result on standard output, the problems too, because they are the result."""
        for problem in self.problems:
            print(problem)
        for warning in self.warnings:
            print(f"{warning} [warning]")
        if self.good:
            print(f"{self.file}: good ({self.holds})")
        else:
            number = len(self.problems)
            print(f"{number} problem{'s' if number > 1 else ''}; what is in force stays in force", file=sys.stderr)
            print(f"next: edit {self.file}, then schoolgate validate {self.file}", file=sys.stderr)


def _on_a_disk(report: Report, settings: Settings) -> Report:
    """The report, and that the record lies where it cannot be kept, when it does."""
    from proxy.volumes import on_a_share

    refused = on_a_share(settings.store, settings.data)
    problem = SettingsProblem(report.file, 0, "data", refused)
    return replace(report, problems=(*report.problems, problem)) if refused else report


def _check(text: str, name: str, settings: Settings) -> Report:
    """Read the text as what it is: settings when its keys are settings, else a policy."""
    from policy.problems import Problems
    from policy.reading import read_nodes

    root = read_nodes(text, Problems(name))
    keys = set(root.nodes) if root is not None else set()
    if keys and "schoolgate" not in keys and len(keys & set(Settings.model_fields)) > len(keys & {"policies"}):
        return _check_settings(text, name)
    return _check_policy(text, name, settings)


def _check_settings(text: str, name: str) -> Report:
    try:
        parse_settings(text, name)
    except SettingsError as error:
        return Report(name, "settings", error.problems)
    return Report(name, "settings", holds="settings")


def _check_policy(text: str, name: str, settings: Settings) -> Report:
    from categories.taxonomy import load_taxonomy
    from policy.passing import passed_below
    from policy.rules import PolicyErrors, load_policy
    from proxy.assembly import known_categories, open_index

    taxonomy = load_taxonomy()
    index = open_index(settings) if settings.lists else None
    categories = taxonomy if index is None else known_categories(taxonomy, index)
    try:
        policy = load_policy(text, file=name, categories=categories)
    except PolicyErrors as error:
        return Report(name, "policy", error.problems)
    passed = () if index is None else passed_below(policy, index)
    warnings = (*policy.warnings, *policy.expired(datetime.now(UTC)), *passed)
    holds = f"{len(policy.rules)} rules, {len(policy.sites)} sites, {len(policy.groups)} groups"
    return Report(name, "policy", (), warnings, holds)
