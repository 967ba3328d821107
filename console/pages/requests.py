"""Requests to look again at a page, from block pages and from staff: the queue, one of them, deciding, asking."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from categories.names import NameProblem, canonical_url
from console import deciding, filling
from console.drawing import link
from console.looking import is_own
from console.page import Answer, Ask, Go, Page, Param, Refused, Shown, Table
from console.rowview import MARKS
from logstore.audit import record_look
from policy.client import Band
from policy.explain import Explanation
from registry import requests as register
from registry.change import RegistryError, RegistryProblem
from registry.requests import WAITING, ReviewRequest
from registry.settling import EntryWanted, Settlement, subject_of

ROWS = 25
"""Requests of a page."""
WORDS = {
    WAITING: ("…", "waits", "note"),
    "allowed": ("✓", "opened", "good"),
    "blocked": ("✕", "closed", "bad"),
    "no-change": ("=", "left as it is", "note"),
}
"""For each state a sign, a word and a colour."""
COLUMNS = ("id", "asked_at", "url", "wanted", "why", "user", "device", "address", "site", "band", "then", "now",
           "state", "answer", "made", "decided_by", "decided_at")  # fmt: skip
STATES = {"allow": "allowed", "block": "blocked", "entry": "allowed", "no-change": "no-change"}
"""What a request becomes, by what was chosen."""


def show(ask: Ask) -> Answer:
    """The queue: those that wait, oldest first; or those that are decided, newest first."""
    decided = ask.query.get("decided") == "yes"
    past = ask.query.get("past", "")
    place = int(past) if past.isdecimal() and int(past) < 1 << 62 else None
    with ask.house.reading() as connection:
        found = register.queue(connection, decided=decided, site=ask.me.site, past=place, limit=ROWS)
        waits = register.waiting(connection, ask.me.site)
    _write_look(ask, "decided requests" if decided else "waiting requests", len(found))
    # What is decided is past: only what waits is asked again.
    now = [None] * len(found) if decided else ask.house.doors.again(found, ask.now)
    lines = [_line(ask, one, again) for one, again in zip(found, now, strict=True)]
    rows = [{name: line["told"].get(name) for name in COLUMNS} for line in lines]
    more = link("/requests", decided="yes" if decided else None, past=found[-1].id) if len(found) == ROWS else None
    view = {"lines": lines, "decided": decided, "first": place is None, "problems": ask.problems}
    table = Table(columns=COLUMNS, rows=([row[name] for name in COLUMNS] for row in rows))
    return Shown(data={"waiting": waits, "rows": rows, "more": more}, view=view, table=table)


def show_one(ask: Ask) -> Answer:
    """One request: who asks for what and why, the verdict then and now, and the form to decide it."""
    one = _wanted(ask)
    _write_look(ask, f"request {one.id}", 1)
    line, policy = _line(ask, one, ask.house.doors.again([one], ask.now)[0]), ask.house.doors.policy()
    done = ask.query.get("done") == "yes" and not ask.problems
    view: dict[str, Any] = {
        "one": one,
        "line": line,
        "problems": ask.problems,
        "done": ask.house.doors.in_force() if done else "",
        "form": _form(ask, one),
        "deciding": one.state == WAITING and ask.me.may("request-decide") and not line["own"],
        "lengths": deciding.LENGTHS,
        "bands": [band.value for band in Band],
        "groups": sorted(policy.groups),
        "sites": sorted(policy.sites) if ask.me.site is None else [],
        "categories": filling.fillable(ask),
    }
    return Shown(data={"request": line["told"], "text": line["text"]}, view=view)


def decide(ask: Ask) -> Answer:
    """Decide it: open, close, put into a category, or leave."""
    one, form = _wanted(ask), ask.form
    where = f"request {one.id}"
    if _is_own(ask, one):
        raise Refused("This request is your own", "Somebody else decides it: nobody decides for themselves.")
    do = form.get("do", "")
    if do not in STATES:
        raise RegistryError(RegistryProblem(where, "what is decided?", "open, close, put into a category, or leave"))
    wanted = Settlement(STATES[do], form.get("answer", ""))
    by = ask.by(form.get("why", ""))
    with ask.house.reading() as connection:
        register.check(connection, one.id, by)
    try:
        what = subject_of(one, whole_host=form.get("what") == "host")
    except NameProblem as error:
        raise RegistryError(RegistryProblem(where, f"its address cannot be read: {error}", "leave it")) from error
    if do in {"allow", "block"}:
        wanted = replace(wanted, override=deciding.wanted(ask, {**form, "action": do, "what": what}))
    elif do == "entry":
        filling.check_reach(ask, where)
        until = filling.ends(ask, form)
        wanted = replace(wanted, entry=EntryWanted(form.get("category", ""), what, until))
    ask.house.doors.settle(one.id, wanted, by)
    return Go(f"/requests/{one.id}?done=yes")


def show_new(ask: Ask) -> Answer:
    """The form for staff, and what came of what they asked before."""
    with ask.house.reading() as connection:
        found = register.filed_by(connection, ask.me.who)
    rows = [{name: register.facts(one)[name] for name in _OWN} for one in found]
    form = {name: (ask.form or ask.query).get(name, "") for name in ("url", "wanted", "why")}
    view = {"found": found, "form": form, "problems": ask.problems, "words": WORDS, "done": ask.query.get("done", "")}
    table = Table(columns=_OWN, rows=([row[name] for name in _OWN] for row in rows))
    return Shown(data={"rows": rows}, view=view, table=table)


def file(ask: Ask) -> Answer:
    """File a request of a member of staff."""
    form = ask.form
    try:
        url = str(canonical_url(form.get("url", "").strip()))
    except NameProblem as error:
        raise RegistryError(
            RegistryProblem(form.get("url", "")[:80] or "URL", str(error), "such as bbc.co.uk")
        ) from error
    wanted = "block" if form.get("wanted") == "block" else "allow"
    by, site = ask.by(form.get("why", "")), ask.me.site
    asked = ReviewRequest(0, url, by.who, "", None, site, None, True, wanted, by.why, {}, by.at)
    (now,) = ask.house.doors.again([asked], ask.now)
    verdict = {} if now is None else _verdict(now)
    mark = secrets.token_hex(16)
    with ask.house.writing() as connection:
        register.file(connection, url, by, mark=mark, wanted=wanted, verdict=verdict, site=site)
    return Go("/requests/new?done=yes")


_OWN = ("id", "asked_at", "url", "wanted", "why", "state", "answer", "decided_at")
_FORM = ("do", "what", "whom", "group", "band", "user", "site", "length", "until", "category", "why", "answer")


def _line(ask: Ask, one: ReviewRequest, now: Explanation | None) -> dict[str, Any]:
    """What a line of the queue shows; `now` is what would happen now."""
    told = {**register.facts(one), "then": one.verdict, "now": None if now is None else _verdict(now)}
    told["verdict"] = told["then"]
    return {
        "one": one,
        "own": _is_own(ask, one),
        "told": told,
        "state": WORDS[one.state],
        "then": _words(one.verdict),
        "now": None if now is None else {**_words(_verdict(now)), "because": now.verdict.because},
        "text": "" if now is None else now.as_text(),
    }


def _is_own(ask: Ask, one: ReviewRequest) -> bool:
    """Whether whoever asks filed it: from a block page at the proxy, or here."""
    return one.user == ask.me.who or is_own(ask, one.user)


def _verdict(found: Explanation) -> dict[str, str | None]:
    verdict = found.verdict
    return {"action": verdict.action.value, "rule": verdict.rule, "category": verdict.category}


def _words(verdict: Mapping[str, Any]) -> dict[str, Any]:
    sign, word, tone = MARKS.get(str(verdict.get("action")), ("?", "not known", "note"))
    about = " · ".join(str(verdict[name]) for name in ("category", "rule") if verdict.get(name))
    return {"sign": sign, "word": word, "tone": tone, "about": about}


def _form(ask: Ask, one: ReviewRequest) -> dict[str, str]:
    """What stands in the form: what was sent, else the band and site that asked."""
    form = dict.fromkeys(_FORM, "")
    form |= {"do": one.wanted, "what": "page", "whom": "band" if one.band else "everybody", "length": deciding.USUAL}
    form |= {"band": one.band or "", "site": ask.me.site or one.site or ""}
    return form | {name: ask.form[name] for name in _FORM if name in ask.form}


def _wanted(ask: Ask) -> ReviewRequest:
    with ask.house.reading() as connection:
        try:
            one = register.get(connection, int(ask.path["id"]))
        except (RegistryError, OverflowError) as error:
            raise Refused("No such request", "There is no request of that number.", 404) from error
    if ask.me.site not in {None, one.site}:
        raise Refused("No such request", "There is no request of that number at your site.", 404)
    return one


def _write_look(ask: Ask, asked: str, rows: int) -> None:
    """Requests name people and pages: a look at them is a look at their rows."""
    where = "" if ask.me.site is None else f" at {ask.me.site}"
    with ask.house.writing() as connection:
        record_look(
            connection, who=ask.me.who, subject="review requests", asked=f"{asked}{where}", rows=rows, at=ask.now
        )


PAGES = (
    Page(
        name="requests", path="/requests", title="Review requests", show=show, template="requests.html",
        nav="Requests", order=5,
        params=(
            Param(name="decided", words="`yes`: those that are decided, newest first"),
            Param(name="past", words="number of the last request of the page before"),
        ),
    ),
    Page(name="request-new", path="/requests/new", title="Ask for a review", show=show_new, act=file,
         template="requestnew.html"),
    Page(name="request", path="/requests/{id:int}", title="Review request", show=show_one, template="request.html"),
    Page(
        name="request-decide", path="/requests/{id:int}/decide", title="Review request", show=show_one, act=decide,
        template="request.html", twins=False,
    ),
)  # fmt: skip
