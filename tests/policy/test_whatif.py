"""What another policy would have done."""

from __future__ import annotations

import pytest

from categories.names import canonical_url
from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Action, Request, Stage
from policy.whatif import KINDS, Seen, how, what_if
from tests.policy.lists import PlainIndex
from tests.policy.school import SCHOOL, TAXONOMY, at, load_policy

INDEX = PlainIndex({"webmail": ["mail.example"], "banking": ["bank.example"], "chat": ["talk.example"],
                    "child-abuse": ["locked.example"], "help": ["help.example"]})  # fmt: skip


def engine(old: str = "", new: str = "") -> Engine:
    assert old in SCHOOL
    return Engine(INDEX, load_policy(SCHOOL.replace(old, new, 1), file="t", categories=TAXONOMY))


def seen(host: str, who: str, band: Band = Band.KS3, stage: Stage = Stage.REQUEST) -> Seen:
    client = Client(user=who, band=band, band_known=True)
    return Seen(Request(canonical_url(f"https://{host}/"), stage), client, at("2026-11-24 09:00"), who)


def test_it_is_counted_by_people_and_hosts() -> None:
    rule = "{rule: pupils-mail, who: [pupils], what: [webmail], action: block}"
    after = engine(rule, "{rule: pupils-mail, who: [ks4], what: [webmail, chat], action: block}")
    day = [seen("mail.example", f"pupil-{number % 3}") for number in range(6)]
    day += [seen("talk.example", "sam", Band.KS4), seen("talk.example", "ana"), seen("locked.example", "ana")]
    found = what_if(engine(), after, day)
    assert (found.looked, found.people) == (9, 5)
    assert found.turned["opened"].requests == 6
    assert found.turned["opened"].people == {"pupil-0": 2, "pupil-1": 2, "pupil-2": 2}
    assert found.turned["blocked"].hosts == {"talk.example": 1}
    assert found.turned["blocked"].rules == {"pupils-mail": 1}
    assert found.sentence == "It would have blocked 1 request of 1 person and opened 6 requests of 3 people."


def test_the_same_policy_changes_nothing() -> None:
    found = what_if(engine(), engine("schoolgate: 1", "# ours\nschoolgate: 1"), [seen("mail.example", "sam")])
    assert found.same
    assert found.sentence == "It would have changed none of them."


def test_what_passes_unread_counts_by_itself() -> None:
    read = engine("what: [banking], action: bypass", "what: [banking], action: allow")
    day = [seen("bank.example", "dana", Band.STAFF, Stage.CONNECT)]
    assert what_if(engine(), read, day).turned["read"].requests == 1
    assert "passed unread 1 request of 1 person" in what_if(read, engine(), day).sentence


@pytest.mark.parametrize(("was", "now"), [(was, now) for was in Action for now in Action])
def test_every_turn_has_a_kind(was: Action, now: Action) -> None:
    assert (how(was, now) == "") is (was is now)
    assert how(was, now) in ("", *KINDS)
