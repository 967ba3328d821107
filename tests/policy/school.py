"""A small school for policy tests: one policy, one index, a few people, and words for time."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from categories.names import canonical_url
from categories.taxonomy import load_taxonomy
from policy.client import UNKNOWN, Band, Client
from policy.engine import Engine
from policy.model import Request, Signal, Stage, Verdict
from policy.rules import Policy, PolicyErrors, PolicyProblem, load_policy
from tests.policy.lists import PlainIndex

LONDON = ZoneInfo("Europe/London")
TAXONOMY = load_taxonomy()

# ruff: noqa: E501  (a rule a line, as people write policies)
SCHOOL = """
schoolgate: 1
trust: Example Learning Trust
timezone: Europe/London
calendar:
  terms: [{name: autumn 1, from: 2026-09-02, to: 2026-10-23}, {name: autumn 2, from: 2026-11-02, to: 2026-12-18}]
  closed: [{from: 2026-11-27, to: 2026-11-27, name: INSET}]
schedules:
  lesson: {days: mon-fri, in: term, times: ["08:50-10:30", "10:50-12:10", "13:10-15:15"], title: lessons}
  lunch: {days: mon-fri, in: term, times: ["12:10-13:10"]}
  night: {days: daily, times: ["22:00-06:00"]}
groups:
  year-4: {band: ks2, title: Year 4}
  year-10: {band: ks4, title: Year 10}
  esports: {title: Esports club}
  teaching-staff: {band: staff}
sites:
  oakwood: {title: Oakwood Primary, schedules: {lunch: {times: ["12:00-13:00"]}}}
  riverside: {title: Riverside Academy}
policies:
  - tier: default
    rules:
      - {rule: pupils-mail, who: [pupils], what: [webmail], action: block}
      - {rule: banks-unread, what: [banking], action: bypass}
      - {rule: night-warning, who: [ks5], what: [social-media], when: [night], action: warn}
      - {rule: chosen-for-ks2, who: [ks2], what: [education, child-safe-search, "url:tube.example/lessons"], action: allow}
  - tier: site
    site: oakwood
    owner: Head of Oakwood
    rules:
      - {rule: oakwood-chess, who: [ks2], what: ["host:chess.example"], when: [lunch], action: allow}
      - {rule: oakwood-open, who: [ks4], what: [webmail], action: allow}
  - tier: override
    rules:
      - {rule: assembly, who: [group:year-10], what: [video], action: allow, until: 2026-11-24T09:50}
      - {rule: lab, who: ["device:lab2-14", "user:pupil-0417"], what: [forums], action: block}
  - tier: trust
    owner: Trust board
    rules:
      - {rule: no-pornography, what: [pornography], action: block, because: Not here.}
      - {rule: ways-round, who: [pupils, guest], what: [vpn, circumvention], action: block}
      - {rule: games-in-lessons, who: [pupils, not group:esports], what: [games, not education], when: [lesson], action: block}
      - {rule: video-ks4, who: [ks4], what: [video], action: block}
      - {rule: self-harm, who: [pupils], what: [self-harm], action: block}
"""

LISTS = {
    "games": ["games.example", "maths.example", "tube.example/games"],
    "education": ["maths.example", "learn.example"],
    "video": ["video.example"],
    "webmail": ["mail.example"],
    "social-media": ["social.example"],
    "forums": ["forum.example"],
    "banking": ["bank.example", "shadybank.example"],
    "vpn": ["vpn.example"],
    "pornography": ["porn.example", "word: rude"],
    "self-harm": ["word: sadness"],
    "help": ["childline.example", "both.example"],
    "search-engines": ["google.com"],
    "child-safe-search": ["kiddle.co"],
    "child-abuse": ["illegal.example", "both.example", "shadybank.example/hidden", "word: unspeakable"],
}


def school_policy(text: str = SCHOOL) -> Policy:
    """The school's policy."""
    return load_policy(text, file="school.yaml", categories=TAXONOMY)


def school_engine(text: str = SCHOOL, lists: dict[str, list[str]] | None = None) -> Engine:
    """The school's engine."""
    return Engine(PlainIndex(LISTS if lists is None else lists), school_policy(text))


HEAD = """schoolgate: 1
calendar: {terms: [{from: 2026-09-02, to: 2026-12-18}]}
schedules: {lesson: {in: term, times: [08:50-10:30]}}
groups: {year-4: {band: ks2}}
sites: {oakwood: {title: Oakwood}, riverside: {title: Riverside}}
policies:
"""


def refusal(text: str) -> tuple[PolicyProblem, ...]:
    """Everything wrong with a policy."""
    with pytest.raises(PolicyErrors) as refused:
        load_policy(text, file="p.yaml", categories=TAXONOMY)
    return refused.value.problems


def rule_problems(rule: str, policy: str = "tier: trust") -> list[str]:
    """Everything wrong with one rule."""
    return [f"{p.what} | {p.instead}" for p in refusal(f"{HEAD}- {policy}\n  rules:\n  - {{rule: r, {rule}}}\n")]


PEOPLE = {
    "nobody known": UNKNOWN,
    "Reception": Client(site="oakwood", band=Band.EYFS, band_known=True),
    "Year 2": Client(site="oakwood", band=Band.KS1, band_known=True),
    "Year 4": Client(site="oakwood", user="pupil-0204", groups=frozenset({"year-4"})),
    "Year 8": Client(site="riverside", band=Band.KS3, band_known=True),
    "Year 10": Client(site="riverside", user="pupil-0417", groups=frozenset({"year-10"})),
    "Year 10 at Oakwood": Client(site="oakwood", groups=frozenset({"year-10"})),
    "Year 10 esports": Client(site="riverside", groups=frozenset({"year-10", "esports"})),
    "Year 10 without a site": Client(band=Band.KS4, band_known=True),
    "sixth form": Client(site="riverside", band=Band.KS5, band_known=True),
    "a teacher": Client(site="riverside", user="teacher-12", band=Band.STAFF, band_known=True),
    "a visitor": Client(site="riverside", band=Band.GUEST, band_known=True),
    "lab machine": Client(site="riverside", device="LAB2-14", band=Band.KS5, band_known=True),
}


def at(text: str) -> datetime:
    """`2026-11-24 10:20` on the wall in London."""
    return datetime.fromisoformat(text).replace(tzinfo=LONDON)


LESSON = at("2026-11-24 10:20")
"""A Tuesday in term."""
LUNCH = at("2026-11-24 12:05")
"""Lunch at Oakwood, still lesson at Riverside."""


def request(url: str, stage: Stage = Stage.REQUEST, *signals: Signal, claims: tuple[str, ...] = ()) -> Request:
    """A request for a URL."""
    return Request(canonical_url(url), stage, claims=tuple(map(canonical_url, claims)), signals=frozenset(signals))


def decide(who: str, url: str, when: datetime = LESSON, stage: Stage = Stage.REQUEST) -> Verdict:
    """What happens at our school."""
    return ENGINE.decide(request(url, stage), PEOPLE[who], when)


ENGINE = school_engine()
