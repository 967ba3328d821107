"""Why? What would happen to a URL, for whom, where and when: the same words as the block page and the command line."""

from __future__ import annotations

from typing import Any

from console.doors import Misasked, Question, Told
from console.drawing import link
from console.looking import is_own, of_site, write_look
from console.page import Answer, Ask, Page, Param, Refused, Shown
from console.pages.logrow import look_of, row_of
from console.roles import Names
from console.rowview import MARKS
from identity.directory import account_name
from logstore.audit import record_look
from logstore.rows import Row
from policy.client import Band
from policy.explain import Explanation
from registry.outlook import PROBE

FRESH = "the new decision"
"""What a decision is called before it is made."""
FIELDS = ("url", "user", "band", "group", "address", "site", "at")
"""What can be asked for."""


def show(ask: Ask) -> Answer:
    """The form, and the answer once a URL is given."""
    told = {name: ask.query.get(name, "").strip()[:4000] for name in FIELDS}
    row, groups = None, tuple(filter(None, (told["group"],)))
    if (number := ask.query.get("row", "")) and ask.me.may("log-row"):
        row = _row(ask, number)
        told = {**_words(row, ask), **{name: value for name, value in told.items() if value}}
        groups = groups or (row.record.groups if row.record.user is None else ())
    if ask.me.names is Names.NEVER:
        told["user"] = told["address"] = ""
    if ask.me.site is not None:
        told["site"] = ask.me.site
    problem = _whom(ask, told, row) if told["url"] and told["user"] else ""
    answer, problem = (None, problem) if problem else _ask_engine(ask, told, groups)
    policy = ask.house.doors.policy()
    data: dict[str, Any] = {"asked": told, "problem": problem, "answer": None, "notes": ()}
    view: dict[str, Any] = {
        "told": told,
        "row": row,
        "named": ask.me.names is not Names.NEVER,
        "bands": [band.value for band in Band],
        "groups": sorted(policy.groups),
        "sites": sorted(policy.sites),
        "answered": None,
    }
    if answer is not None:
        data |= {"answer": answer.explanation.as_json(), "text": answer.explanation.as_text(), "notes": answer.notes}
        view["answered"] = drawn(answer.explanation)
        view["decide"] = _decide_link(ask, answer.explanation, told, row)
    return Shown(data=data, view=view)


def drawn(answer: Explanation, wanted: str = "") -> dict[str, Any]:
    """An explanation as the page draws it; every word is `policy.explain`'s. `wanted`: the rule of a decision that is
    not made yet, and so has no name of its own."""
    text = answer.as_text()
    if wanted:
        text = text.replace(wanted, FRESH)
    lines = text.split("\n")
    sign, _, tone = MARKS[answer.verdict.action.value]
    return {
        "explanation": answer,
        "headline": lines[0],
        "who": next((line for line in lines if line.startswith("Who: ")), ""),
        "text": text,
        "wanted": wanted,
        "fresh": FRESH,
        "matches": [match for match in answer.verdict.matches if match.entry != PROBE],
        "sign": sign,
        "tone": tone,
        "locked": answer.verdict.tier is not None and answer.verdict.tier.value == "locked",
        "changes": [change.text for change in answer.changes if change.by != "nothing"],
        "would": "allowed" if answer.verdict.blocked else "blocked",
    }


def _row(ask: Ask, number: str) -> Row:
    row = row_of(ask, number)
    if is_own(ask, row.record.user):
        raise Refused("This row is your own", "Somebody else looks at it for you: nobody checks themselves.")
    write_look(ask, look_of(row), 1, of="why was this decided: ")
    return row


def _whom(ask: Ask, told: dict[str, str], row: Row | None) -> str:
    """Why it is not answered as for that account, if it is not. What is told of somebody is written down as a look."""
    user = account_name(told["user"])
    if row is not None and row.record.user is not None and account_name(row.record.user) == user:
        return ""
    with ask.house.writing() as connection:
        asked = "band and groups, by asking why as somebody"
        record_look(connection, who=ask.me.who, subject=user, asked=asked, rows=0, at=ask.now)
    return "" if of_site(ask, user) else f"no account of {ask.me.site} is called {user[:80]!r}"


def _words(row: Row, ask: Ask) -> dict[str, str]:
    record = row.record
    return {
        "url": record.url,
        "user": record.user or "",
        "band": record.band or "",
        "group": "",
        "address": "" if record.user else record.client_address,
        "site": record.site or "",
        "at": row.at.astimezone(ask.house.zone).isoformat(timespec="minutes"),
    }


def _ask_engine(ask: Ask, told: dict[str, str], groups: tuple[str, ...]) -> tuple[Told | None, str]:
    if not told["url"]:
        return None, ""
    words = {name: told[name] for name in FIELDS if name != "group"}
    try:
        return ask.house.doors.explain(Question(**words, groups=groups)), ""
    except Misasked as error:
        return None, str(error)


def _decide_link(ask: Ask, answer: Explanation, told: dict[str, str], row: Row | None) -> str:
    """Where this can be opened or closed; empty where it cannot."""
    if not ask.me.may("decide") or drawn(answer)["locked"]:
        return ""
    action = "allow" if answer.verdict.blocked else "block"
    whom = {name: told[name] for name in ("group", "site")}
    if not told["group"]:
        whom["band"] = answer.verdict.band.value if answer.verdict.band else ""
    return link("/decide", action=action, what=answer.request.url.host, row=None if row is None else row.id, **whom)


PAGES = (
    Page(
        name="why", path="/why", title="Why?", show=show, template="why.html", nav="Why?", order=3,
        params=(
            Param(name="url", words="a URL or host"),
            Param(name="user", words="as if this account had signed in"),
            Param(name="band", words="age band"),
            Param(name="group", words="group"),
            Param(name="address", words="as if asked from this address"),
            Param(name="site", words="site"),
            Param(name="at", words="10:20, `tue 10:20` or ISO 8601; empty is now"),
            Param(name="row", words="number of a row of the log: asks for its request"),
        ),
    ),
)  # fmt: skip
