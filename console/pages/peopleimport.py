"""People from a spreadsheet: what the file would change is shown first; the same file is then taken, or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from console.looking import is_own
from console.page import Answer, Ask, Go, Page, Shown
from logstore.audit import record_look
from registry import people
from registry.change import RegistryError, RegistryProblem
from registry.people_file import COLUMNS, ImportPlan, Planned, apply_import, hash_passwords, plan_import

FILE_BYTES = 4 * 1024 * 1024
"""Largest file that is taken."""
LINES = 5000
"""Most lines of a file here; `schoolgate users import` takes more."""
PASSWORDS = 500
"""Most new passwords of one import: each costs about 0.1 s of a core, while lessons go on."""
SHOWN = 500
"""Most lines of a preview that are drawn; the rest is counted."""
NAMED = 20
"""Most names of another site in one line of the trail; the rest is counted."""
NAME = "the file"
"""How the file is called in problems."""


def show(ask: Ask) -> Answer:
    """The form."""
    return Shown(data={"columns": COLUMNS}, view=_view(ask, None))


def act(ask: Ask) -> Answer:
    """Show what a file would do; or, when that was shown, do it."""
    key, session = ask.form.get("key", ""), ask.me.session
    if not key:
        data = ask.files.get("file", b"")
        if not data:
            raise RegistryError(RegistryProblem(NAME, "is missing", "choose a CSV file whose first line names columns"))
        plan = _plan(ask, data)
        key = "" if plan.problems else ask.house.pending.keep(session, data, ask.now)
        return _preview(ask, plan, key)
    kept = ask.house.pending.get(session, key, ask.now)
    if kept is None:
        raise RegistryError(RegistryProblem(NAME, "was kept for a quarter of an hour, no longer", "send it again"))
    plan, by = _plan(ask, kept), ask.by(ask.form.get("why", ""))
    if not by.why:
        raise RegistryError(RegistryProblem(NAME, "an import needs a reason", "say why, in a few words"))
    if plan.problems or ask.form.get("seen") != _mark(plan):
        # Somebody changed the register since: what would happen now is not what was shown.
        return _preview(ask, plan, "" if plan.problems else key, changed=True)
    hashes = hash_passwords(plan)
    with ask.house.writing() as connection:
        apply_import(connection, plan, hashes, by)
    ask.house.pending.drop(key)
    ask.house.doors.put_in_force()
    return Go(f"/people/import?added={len(plan.added)}&changed={len(plan.changed)}")


def _plan(ask: Ask, data: bytes) -> ImportPlan:
    """What the file would do, within the site of whoever asks, and never to themselves."""
    if data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n") > LINES:
        raise RegistryError(RegistryProblem(NAME, f"has more than {LINES:,} lines", "send it in parts"))
    with ask.house.reading() as connection:
        plan = plan_import(connection, data, file=NAME)
    if sum(one.password is not None for one in (*plan.added, *plan.changed)) > PASSWORDS:
        raise RegistryError(RegistryProblem(NAME, f"has more than {PASSWORDS} new passwords", "send it in parts"))
    found = [*plan.problems, *_problems(ask, (*plan.added, *plan.changed, *plan.unchanged))]
    others = [one.name for one in (*plan.added, *plan.changed, *plan.unchanged) if _elsewhere(ask, one)]
    if others:
        # Whoever tries names of another site on a register leaves a line; the preview tells nothing but that they are.
        named = ", ".join(others[:NAMED]) + (f" and {len(others) - NAMED} more" if len(others) > NAMED else "")
        with ask.house.writing() as connection:
            record_look(connection, who=ask.me.who, subject="people",
                        asked=f"a file of people not of {ask.me.site}: {named}", rows=0, at=ask.now)  # fmt: skip
    here = [
        tuple(one for one in some if not _elsewhere(ask, one)) for some in (plan.added, plan.changed, plan.unchanged)
    ]
    same = plan.same - len(plan.unchanged) + len(here[2])
    return ImportPlan(here[0], here[1], same, tuple(found), here[2])


def _elsewhere(ask: Ask, one: Planned) -> bool:
    """Whether a line is about somebody of another site than that of whoever asks."""
    sites = {one.after.site} | ({one.before.site} if one.before is not None else set())
    return ask.me.site is not None and sites != {ask.me.site}


def _problems(ask: Ask, planned: Iterable[Planned]) -> Iterable[RegistryProblem]:
    for one in planned:
        where = f"{NAME}:{one.line}"
        if is_own(ask, one.name):
            yield RegistryProblem(where, f"{one.name!r} is your own account at the proxy", "somebody else changes it")
        if _elsewhere(ask, one):
            yield RegistryProblem(where, f"{one.name!r} is not of {ask.me.site}", f"give column site: {ask.me.site}")


def _preview(ask: Ask, plan: ImportPlan, key: str, *, changed: bool = False) -> Shown:
    lines = [_line(one) for one in (*plan.added, *plan.changed)]
    data = {
        "added": len(plan.added),
        "changed": len(plan.changed),
        "same": plan.same,
        "problems": [str(one) for one in plan.problems],
        "lines": lines,
    }
    view = {**_view(ask, plan), "key": key, "seen": _mark(plan), "changed_since": changed}
    return Shown(data=data, view={**view, "lines": lines[:SHOWN], "left_out": max(0, len(lines) - SHOWN)},
                 status=422 if plan.problems else 200)  # fmt: skip


def _line(one: Planned) -> dict[str, Any]:
    """What one line would do, as `was → is`; a password only as that there is a new one."""
    before = {} if one.before is None else people.facts(one.before)
    after = people.facts(one.after)
    told = []
    for name in one.changes:
        if name == "password":
            told.append(("password", "", "a new one"))
        elif name == "consent":
            told.append(("consent", "", "yes" if one.consent else "no"))
        else:
            told.append((name, _said(before.get(name)), _said(after[name])))
    return {"line": one.line, "name": one.name, "new": one.before is None, "changes": told}


def _said(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return ("yes" if value else "no") if isinstance(value, bool) else "" if value is None else str(value)


def _mark(plan: ImportPlan) -> str:
    """What stands for a plan: equal only when it would do the same."""
    told = repr([_line(one) for one in (*plan.added, *plan.changed)])
    return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()


def _view(ask: Ask, plan: ImportPlan | None) -> dict[str, Any]:
    done = [ask.query.get(name, "") for name in ("added", "changed")]
    return {
        "columns": COLUMNS,
        "problems": [*ask.problems, *(str(one) for one in (plan.problems if plan else ()))][:100],
        "plan": plan,
        "key": "",
        "seen": "",
        "lines": (),
        "left_out": 0,
        "changed_since": False,
        "done": done if all(word.isdecimal() for word in done) and not ask.problems else None,
    }


PAGES = (
    Page(name="people-import", path="/people/import", title="People from a file", show=show, act=act,
         template="peopleimport.html", twins=False, form_bytes=FILE_BYTES),
)  # fmt: skip
