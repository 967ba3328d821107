"""The register as a spreadsheet: a CSV file in, a plan of what would change out; a plan in, the changes made.

Planning changes nothing, so a plan is also the preview. A column the file lacks is left as it is; an empty cell of a
column it has empties the value, but for `password`, `shared` and `consent`, where empty means as it is. Nobody is
removed because a file leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import process_cpu_count

from sqlalchemy import Connection

from identity.directory import account_name
from registry import people
from registry.change import By, RegistryError, RegistryProblem
from registry.csvfile import Row, read_table, words, write_table, yes_or_no
from registry.passwords import PasswordHash, new_hash, password_problems
from registry.people import Account, Details

COLUMNS = ("name", "title", "band", "groups", "site", "shared", "consent", "password")
"""Columns of an import; only `name` must be there."""
EXPORT_COLUMNS = (
    "name", "title", "band", "groups", "site", "shared", "consent", "status", "granted_by", "granted_at", "left_at",
)  # fmt: skip
"""Columns of an export (B-15)."""

type Hasher = Callable[..., PasswordHash]


@dataclass(frozen=True, slots=True)
class Planned:
    """What one line of the file would do."""

    line: int
    """Line of the file."""
    name: str
    """Account name."""
    before: Details | None
    """As it is; None for a new account."""
    after: Details
    """As it would be."""
    consent: bool | None = None
    """Consent as it would be; None leaves it."""
    password: str | None = None
    """New password, not hashed yet; None leaves it."""

    @property
    def changes(self) -> tuple[str, ...]:
        """Names of what would change; all that is set, for a new account."""
        before = {} if self.before is None else people.facts(self.before)
        after = people.facts(self.after)
        changed = [key for key, value in after.items() if before.get(key) != value and (before or value)]
        return (*changed, *(["consent"] if self.consent is not None else []), *(["password"] if self.password else []))

    def __repr__(self) -> str:
        return f"Planned({self.line}, {self.name!r}, {', '.join(self.changes)})"


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What a file would do."""

    added: tuple[Planned, ...]
    """New accounts."""
    changed: tuple[Planned, ...]
    """Accounts that would change."""
    same: int
    """Accounts that are so already."""
    problems: tuple[RegistryProblem, ...]
    """Why it cannot be done; empty when it can."""
    unchanged: tuple[Planned, ...] = ()
    """The accounts that are so already."""


def plan_import(connection: Connection, data: bytes, *, file: str) -> ImportPlan:
    """What importing this file would do. Changes nothing."""
    table = read_table(data, file=file, columns=COLUMNS, required=("name",))
    known = {account.person.name: account for account in people.accounts(connection)}
    problems = list(table.problems)
    plans: dict[str, Planned] = {}
    same = 0
    for row in table.rows:
        planned, found = _plan_row(row, known, f"{file}:{row.line}")
        if planned.name in plans:
            found.append(
                RegistryProblem(f"{file}:{row.line}", f"{planned.name!r} is on line {plans[planned.name].line} too")
            )
        problems.extend(found)
        plans[planned.name] = planned
        same += planned.before is not None and not planned.changes
    added = tuple(planned for planned in plans.values() if planned.before is None)
    changed = tuple(planned for planned in plans.values() if planned.before is not None and planned.changes)
    unchanged = tuple(planned for planned in plans.values() if planned.before is not None and not planned.changes)
    return ImportPlan(added, changed, same, tuple(problems), unchanged)


def hash_passwords(plan: ImportPlan, *, hasher: Hasher = new_hash) -> dict[str, PasswordHash]:
    """The hashes of the plan's passwords, by account. Slow: done before the database is locked, on all cores."""
    wanted = [planned for planned in (*plan.added, *plan.changed) if planned.password]
    with ThreadPoolExecutor(process_cpu_count()) as pool:
        hashes = pool.map(
            lambda one: hasher(one.password, name=one.name, band=one.after.band, shared=one.after.shared), wanted
        )
        return dict(zip((planned.name for planned in wanted), hashes, strict=True))


def apply_import(connection: Connection, plan: ImportPlan, hashes: Mapping[str, PasswordHash], by: By) -> int:
    """Make the changes, all or none, in the caller's transaction; how many accounts were touched."""
    if plan.problems:
        raise RegistryError(*plan.problems)
    for planned in plan.added:
        people.add(connection, planned.name, planned.after, by, password=hashes.get(planned.name))
    for planned in plan.changed:
        people.set_details(connection, planned.name, planned.after, by)
        if planned.name in hashes:
            people.set_password(connection, planned.name, hashes[planned.name], by)
    for planned in (*plan.added, *plan.changed):
        if planned.consent is not None:
            people.set_consent(connection, planned.name, planned.consent, by)
    return len(plan.added) + len(plan.changed)


def export_people(accounts: Iterable[Account], by: By) -> str:
    """The register as CSV, without anything secret."""
    return write_table(EXPORT_COLUMNS, (_export_row(account, by) for account in accounts))


def _export_row(account: Account, by: By) -> Sequence[object]:
    person = account.person
    return (
        person.name,
        account.title,
        person.band,
        ";".join(sorted(person.groups)),
        person.site,
        "yes" if person.shared else "no",
        "yes" if person.consent else "no",
        account.status(by.at),
        account.granted_by,
        account.granted_at.isoformat(timespec="seconds"),
        account.left_at.isoformat(timespec="seconds") if account.left_at else None,
    )


def _plan_row(row: Row, known: Mapping[str, Account], where: str) -> tuple[Planned, list[RegistryProblem]]:
    cells = row.cells
    name = account_name(cells["name"])
    account = known.get(name)
    flags, problems = _flags(cells, where)
    details = _details(cells, account.details if account else Details(), flags["shared"])
    problems += people.details_problems(where, details)
    if account is None:
        problems += [replace(problem, where=where) for problem in people.name_problems(name)]
    elif account.left_at is not None:
        problems.append(
            RegistryProblem(where, f"{name!r} left on {account.left_at:%d %B %Y}", "enable the account first")
        )
    password = cells.get("password") or None
    if password is not None:
        against = password_problems(password, name=name, band=details.band, shared=details.shared)
        problems += [replace(problem, where=where) for problem in against]
    consent = flags["consent"]
    if consent is (account.person.consent if account else True):
        consent = None
    return Planned(row.line, name, account.details if account else None, details, consent, password), problems


def _flags(cells: Mapping[str, str], where: str) -> tuple[dict[str, bool | None], list[RegistryProblem]]:
    flags: dict[str, bool | None] = {}
    problems = []
    for column in ("shared", "consent"):
        cell = cells.get(column, "")
        flags[column] = yes_or_no(cell)
        if cell and flags[column] is None:
            problems.append(RegistryProblem(where, f"{column}: {cell!r} is neither yes nor no"))
    return flags, problems


def _details(cells: Mapping[str, str], before: Details, shared: bool | None) -> Details:
    return Details(
        cells.get("title", before.title),
        (cells["band"].casefold() or None) if "band" in cells else before.band,
        words(cells["groups"]) if "groups" in cells else before.groups,
        (cells["site"].casefold() or None) if "site" in cells else before.site,
        before.shared if shared is None else shared,
    )
