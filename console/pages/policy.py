"""The policy in force as people read it: who, what, where, when, and what is done; tier by tier."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

from console.drafting import STATES
from console.drawing import link
from console.page import Answer, Ask, Page, Param, Shown, Table
from console.policytable import NOBODY, TIERS, Wanted, rows_of, sees_names
from console.rowview import MARKS
from logstore.filter import LogFilter
from logstore.query import Archive, SearchTooWide
from logstore.stats import Figures
from policy.client import Band
from policy.model import Tier
from policy.rows import BAND_TITLES
from registry import overrides, policies

SECONDS = 2.0
"""Longest time counting today's rows may take; without it the page is shown without them."""
MOST = 10_000
"""Rules whose rows are counted."""
COLUMNS = ("rule", "tier", "sites", "owner", "who", "what", "where", "when", "action", "because", "until", "today")


def show(ask: Ask) -> Answer:
    """Every row that is asked for."""
    policy, wanted = ask.house.doors.policy(), _wanted(ask)
    hits = _today(ask)
    rows = rows_of(policy, ask.me, wanted)
    for row in rows:
        row["today"] = None if hits is None else hits.get(row["rule"], 0)
    with ask.house.reading() as connection:
        drafts = policies.versions(connection, policies.OPEN, site=ask.me.site) if ask.me.may("policy-draft") else []
        decisions = sum(one.holds(ask.now) for one in overrides.decisions(connection))
    data = {
        "file": policy.file if sees_names(ask.me) else "",
        "digest": policy.digest,
        "trust": policy.trust,
        "rules": rows,
        "drafts": [policies.facts(one) for one in drafts],
        "warnings": [str(one) for one in (*policy.warnings, *policy.expired(ask.now))] if sees_names(ask.me) else [],
    }
    view: dict[str, Any] = {
        "tiers": [(tier, *TIERS[tier], [row for row in rows if row["tier"] == tier]) for tier in Tier
                  if not wanted.tier or tier == wanted.tier],
        "told": wanted,
        "drafts": drafts,
        "states": STATES,
        "begin": ask.me.may("policy-begin"),
        "problems": ask.problems,
        "done": "The draft is given up." if ask.query.get("done") == "withdraw" and not ask.problems else "",
        "decisions": decisions,
        "bands": [(band.value, BAND_TITLES[band]) for band in Band],
        "sites": sorted(policy.sites.items()) if ask.me.site is None else [],
        "marks": MARKS,
        "nobody": NOBODY,
        "log": _log_links(ask),
        "twin": lambda kind: link(f"/policy{kind}", **_query(ask)),
    }  # fmt: skip
    table = Table(columns=COLUMNS, rows=([_cell(row[name]) for name in COLUMNS] for row in rows))
    return Shown(data=data, view=view, table=table)


def _wanted(ask: Ask) -> Wanted:
    told = {name: value.strip()[:200] for name, value in ask.query.items()}
    known = {"tier": [*Tier], "band": [*Band]}
    for name, words in known.items():
        if told.get(name) not in words:
            told[name] = ""
    site = ask.me.site or told.get("site", "")
    return Wanted(tier=told["tier"], band=told["band"], site=site, words=told.get("q", ""))


def _query(ask: Ask) -> Mapping[str, str]:
    return {name: ask.query[name] for name in ("tier", "site", "band", "q") if name in ask.query}


def _midnight(ask: Ask) -> datetime:
    return datetime.combine(ask.now.astimezone(ask.house.zone).date(), time(), ask.house.zone)


def _today(ask: Ask) -> Mapping[str, int] | None:
    """How many requests of today each rule decided; None where counting takes too long."""
    asked = LogFilter(since=_midnight(ask), until=ask.now, site=ask.me.site)
    try:
        with Archive(ask.house.where, seconds=SECONDS) as archive:
            places = Figures(archive, asked, exact=False).top("rule", MOST).places
    except SearchTooWide:
        return None
    return {place.name: place.rows for place in places if place.name}


def _log_links(ask: Ask) -> Any:
    if not ask.me.may("log"):
        return lambda _: ""
    since = _midnight(ask).isoformat()
    return lambda rule: link("/log", rule=rule, since=since, parts="yes")


def _cell(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


PAGES = (
    Page(
        name="policy", path="/policy", title="Policy", show=show, template="policy.html", nav="Policy", order=7,
        params=(
            Param(name="tier", words="only this tier: locked, trust, override, site, default"),
            Param(name="site", words="only what holds at this site"),
            Param(name="band", words="only what may fit somebody of this age band"),
            Param(name="q", words="only rows with these words"),
        ),
    ),
)  # fmt: skip
