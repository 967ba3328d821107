"""What `schoolgate users` says: accounts, plans and problems in, lines for people or JSON out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime

from proxy.decisions import failed
from registry.people import Account, facts
from registry.people_file import ImportPlan, Planned


def show(account: Account, at: datetime, *, as_json: bool) -> int:
    """One account."""
    values = as_dict(account, at)
    if as_json:
        print(json.dumps({"ok": True, **values}))
        return 0
    for key, value in values.items():
        print(f"{key.replace('_', ' '):<16} {_word(value)}")
    return 0


def listing(accounts: Sequence[Account], at: datetime, *, as_json: bool) -> int:
    """Many accounts, one a line."""
    if as_json:
        print(json.dumps([as_dict(account, at) for account in accounts]))
        return 0
    for account in accounts:
        person = account.person
        mark = "shared" if person.shared else ""
        groups = ",".join(sorted(person.groups))
        line = (
            f"{person.name:<24} {person.band or '-':<6} {account.status(at):<10} {mark:<6} {groups:<32} {account.title}"
        )
        print(line.rstrip())
    print(f"users: {len(accounts)} accounts", file=sys.stderr)
    return 0


def imported(plan: ImportPlan, *, done: bool, as_json: bool) -> int:
    """What an import did, or would do; 1 when it could not."""
    problems = [str(problem) for problem in plan.problems]
    if as_json:
        answer = {
            "ok": not problems,
            "done": done and not problems,
            "added": [_planned(one) for one in plan.added],
            "changed": [_planned(one) for one in plan.changed],
            "same": plan.same,
            "problems": problems,
        }
        print(json.dumps(answer))
        return 1 if problems else 0
    if problems:
        return failed("users", [*problems, "nothing was changed"], as_json=False)
    for sign, rows in (("+", plan.added), ("~", plan.changed)):
        for one in rows:
            print(f"{sign} {one.name}: {_change_words(one)}")
    verb = "" if done else "would be "
    summary = f"users: {len(plan.added)} {verb}added, {len(plan.changed)} {verb}changed, {plan.same} are so already"
    print(summary, file=sys.stderr)
    return 0


def as_dict(account: Account, at: datetime) -> dict[str, object]:
    """An account in JSON; whether there is a password, never the hash."""
    person = account.person

    def time(value: datetime | None) -> str | None:
        return value.isoformat(timespec="seconds") if value else None

    return {
        "name": person.name,
        "status": account.status(at),
        **facts(account.details),
        "password": person.password_hash is not None,
        "consent": person.consent,
        "suspended_until": time(person.suspended_until),
        "granted_by": account.granted_by,
        "granted_at": time(account.granted_at),
        "changed_at": time(account.changed_at),
        "left_at": time(account.left_at),
    }


def _planned(one: Planned) -> dict[str, object]:
    return {"line": one.line, "name": one.name, "changes": list(one.changes)}


def _change_words(one: Planned) -> str:
    before = {} if one.before is None else facts(one.before)
    after = {**facts(one.after), "consent": one.consent, "password": "set"}
    words = [
        f"{key} {_word(before[key])} -> {_word(after[key])}" if before.get(key) else f"{key} {_word(after[key])}"
        for key in one.changes
    ]
    return ", ".join(words) or "no details"


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(map(str, value)) or "-"
    return "-" if value in (None, "") else str(value)
