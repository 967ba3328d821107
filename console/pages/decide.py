"""Allow or block in one click: what it would do is shown first, what it did after, with the decision run again."""

from __future__ import annotations

from typing import Any

from console import deciding
from console.doors import Question
from console.drawing import link
from console.looking import is_own, write_look
from console.page import Answer, Ask, Go, Page, Param, Refused, Shown, Table
from console.pages.logrow import look_of, row_of
from console.pages.why import drawn
from console.roles import Names, Role
from logstore.rows import Row
from policy.client import Band
from policy.overrides import Override, scope, sentence
from registry import overrides
from registry.change import RegistryError
from registry.outlook import Outlook
from registry.overrides import Decision

FIELDS = ("action", "what", "whom", "group", "band", "user", "site", "length", "until", "why", "row")
"""What the form holds."""
COLUMNS = ("rule", "action", "what", "site", "group", "band", "user", "until", "why", "made_by", "made_at", "ended_at")


def show(ask: Ask) -> Answer:
    """The form, filled from a row or an address, and what it would do."""
    form = _form(ask)
    seen, problems = None, list(ask.problems)
    if form["what"]:
        try:
            made = deciding.wanted(ask, form)
            seen = _seen(ask, made)
        except RegistryError as error:
            problems += [str(one) for one in error.problems if str(one) not in problems]
    policy = ask.house.doors.policy()
    teacher = ask.me.role is Role.TEACHER
    view: dict[str, Any] = {
        "form": form,
        "problems": problems,
        "seen": seen,
        "lengths": deciding.LENGTHS[:4] if teacher else deciding.LENGTHS,
        "groups": list(ask.me.grant.groups) if teacher else sorted(policy.groups),
        "bands": [] if teacher else [band.value for band in Band],
        "sites": sorted(policy.sites) if ask.me.site is None else [],
        "teacher": teacher,
        "named": ask.me.names is not Names.NEVER,
    }
    return Shown(data={"asked": form, "would": None if seen is None else seen["data"], "problems": problems}, view=view)


def act(ask: Ask) -> Answer:
    """Decide, and lead to what came of it."""
    form = {name: ask.form.get(name, "").strip() for name in FIELDS}
    made = deciding.wanted(ask, form)
    decision = ask.house.doors.decide(made, ask.by(form["why"]))
    return Go(link(f"/decisions/{decision.override.id}", row=form["row"], done="yes"))


def show_all(ask: Ask) -> Answer:
    """Decisions in force, or all there were."""
    everything = ask.query.get("all") == "yes"
    with ask.house.reading() as connection:
        found = [one for one in overrides.decisions(connection, ended=everything) if deciding.visible(ask, one)]
    found = [one for one in found if everything or one.holds(ask.now)]
    rows = [{**overrides.facts(one), "holds": one.holds(ask.now)} for one in reversed(found)]
    policy = ask.house.doors.policy()
    shown = [
        {
            "one": one,
            "scope": scope(one.override, policy),
            "holds": one.holds(ask.now),
            "end": deciding.may_end(ask, one),
        }
        for one in reversed(found)
    ]
    table = Table(columns=COLUMNS, rows=([row[name] for name in COLUMNS] for row in rows))
    return Shown(data={"decisions": rows}, view={"shown": shown, "everything": everything}, table=table)


def show_one(ask: Ask) -> Answer:
    """One decision, and the verdict as it is now."""
    decision, row = _decision(ask), _row(ask)
    seen = _seen(ask, decision.override) if decision.holds(ask.now) else None
    question = _again(ask, row)
    answer = ask.house.doors.explain(question).explanation if question is not None else None
    fresh = ask.query.get("done") == "yes"
    policy = ask.house.doors.policy()
    data = {
        "decision": {**overrides.facts(decision), "holds": decision.holds(ask.now)},
        "does": None if seen is None else seen["data"],
        "now": None if answer is None else answer.as_json(),
    }
    view = {
        "one": decision,
        "holds": decision.holds(ask.now),
        "end": deciding.may_end(ask, decision),
        "scope": scope(decision.override, policy),
        "sentence": sentence(decision.override, policy),
        "seen": seen,
        "answered": drawn(answer) if answer is not None else None if seen is None else seen["example"],
        "in_force": ask.house.doors.in_force() if fresh and not ask.problems else "",
        "problems": ask.problems,
        "row": row,
    }
    return Shown(data=data, view=view)


def end(ask: Ask) -> Answer:
    """End it now."""
    decision = _decision(ask)
    if not deciding.may_end(ask, decision):
        raise Refused("Not yours to end", "Whoever decides for that site, or for that class, ends it.")
    ask.house.doors.end(decision.override.id, ask.by(ask.form.get("why", "")))
    return Go(link(f"/decisions/{decision.override.id}", row=ask.form.get("row", ""), done="yes"))


def _form(ask: Ask) -> dict[str, str]:
    """What stands in the form: what was sent, else what the address says, else what a row says."""
    form = dict.fromkeys(FIELDS, "")
    row = _row(ask)
    if row is not None:
        form |= deciding.form_from_row(row)
    told = ask.form or ask.query
    form |= {name: told[name].strip() for name in FIELDS if told.get(name, "").strip()}
    form["action"] = "block" if form["action"] == "block" else "allow"
    form["length"] = form["length"] or deciding.USUAL
    if not form["whom"]:
        form["whom"] = next((kind for kind in ("group", "band", "user") if form[kind]), "everybody")
    if ask.me.role is Role.TEACHER:
        form["whom"] = "group"
        form["group"] = form["group"] or ask.me.grant.groups[0]
    if ask.me.site is not None:
        form["site"] = ask.me.site
    return form


def _row(ask: Ask) -> Row | None:
    """The row it is made from, its look written down; nothing of it for whoever it is about."""
    number = ask.form.get("row", "") or ask.query.get("row", "")
    if not number or not ask.me.may("log-row"):
        return None
    row = row_of(ask, number)
    if is_own(ask, row.record.user):
        return None
    write_look(ask, look_of(row), 1, of="what to decide about: ")
    return row


def _seen(ask: Ask, made: Override) -> dict[str, Any]:
    """What a decision does, for whom not, and why not."""
    outlook: Outlook = ask.house.doors.outlook(made, ask.now)
    elsewhere: dict[str, list[str]] = {}
    for effect in outlook.elsewhere:
        elsewhere.setdefault(outlook.why_not(effect.after), []).append(effect.person.words)
    decides = [effect.person.words for effect in outlook.decides]
    return {
        "decides": decides,
        "elsewhere": elsewhere,
        "refusals": outlook.refusals,
        "example": None
        if outlook.example is None
        else drawn(outlook.example, made.name if made.id == deciding.NOBODY_YET else ""),
        "data": {"decides_for": decides, "no_effect_for": elsewhere, "refused": outlook.refusals},
    }


def _again(ask: Ask, row: Row | None) -> Question | None:
    """The question whether that very request would pass now."""
    if row is None:
        return None
    record = row.record
    return Question(
        url=record.url, user=record.user or "", band=record.band or "", groups=record.groups,
        address="" if record.user else record.client_address, site=record.site or "",
    )  # fmt: skip


def _decision(ask: Ask) -> Decision:
    number = int(ask.path["id"])
    with ask.house.reading() as connection:
        known = {one.override.id: one for one in overrides.decisions(connection, ended=True)}
    decision = known.get(number)
    if decision is None or not deciding.visible(ask, decision):
        raise Refused("No such decision", "There is none of that number, or it is not about your classes or site.", 404)
    return decision


PAGES = (
    Page(
        name="decide", path="/decide", title="Allow or block", show=show, act=act, template="decide.html",
        params=tuple(Param(name=name, words=f"{name} of the form, filled in beforehand") for name in FIELDS),
    ),
    Page(
        name="decisions", path="/decisions", title="Decisions", show=show_all, template="decisions.html",
        nav="Decisions", order=4, params=(Param(name="all", words="`yes`: those that are over, too"),),
    ),
    Page(
        name="decision", path="/decisions/{id:int}", title="A decision", show=show_one, act=end,
        template="decision.html", params=(Param(name="row", words="row it was made from: its request is asked again"),),
    ),
)  # fmt: skip
