"""What an override would do is known before it is made: for whom it decides, and which rule is in the way.

Shows: `registry.outlook`.
"""

from __future__ import annotations

from datetime import datetime

import pytest

from identity.directory import Directory
from identity.directory import Person as Account
from policy.client import Band
from policy.model import Action
from policy.overrides import Override
from proxy.decided import Decided, Parts
from proxy.oneclick import Outlook, outlook
from tests.policy.lists import PlainIndex
from tests.policy.school import LESSON, LISTS, at, school_policy

PARTS = Parts(PlainIndex(LISTS), school_policy())
PEOPLE = Directory({"pupil-0417": Account("pupil-0417", groups=frozenset({"year-10"}), site="riverside")})


def look(action: Action, what: str, when: datetime = LESSON, **scope: object) -> Outlook:
    return outlook(PARTS, Decided(), Override(9, action, what, **scope), PEOPLE, when)  # type: ignore[arg-type]


def test_for_a_class_it_decides_at_every_site() -> None:
    seen = look(Action.ALLOW, "host:unknown.example", group="year-4")
    assert [effect.person.words for effect in seen.decides] == [
        "Key Stage 2",
        "Key Stage 2 at Oakwood Primary",
        "Key Stage 2 at Riverside Academy",
    ]
    assert seen.refusals == ()
    assert seen.example is not None
    assert seen.example.verdict.rule == "override-9"


def test_a_category_is_tried_with_a_host_of_its_own() -> None:
    """Nobody's real site is asked for."""
    seen = look(Action.ALLOW, "category:webmail", band=Band.KS4, site="riverside")
    assert len(seen.decides) == 1
    assert seen.example is not None
    assert seen.example.verdict.category == "webmail"


def test_a_person_is_asked_as_the_register_knows_them() -> None:
    seen = look(Action.ALLOW, "host:mail.example", user="pupil-0417")
    (effect,) = seen.decides
    assert effect.before.rule == "pupils-mail"
    assert effect.after.band is Band.KS4


@pytest.mark.parametrize(
    ("action", "what", "says"),
    [
        (Action.ALLOW, "host:porn.example", "rule 'no-pornography' (TRUST) decides: Not here."),
        (Action.ALLOW, "host:illegal.example", "LOCKED"),
        (Action.BLOCK, "host:childline.example", "help sites are open to everybody"),
        (Action.BLOCK, "category:help", "help sites are open to everybody"),
    ],
)
def test_the_rule_in_the_way_is_named(action: Action, what: str, says: str) -> None:
    seen = look(action, what)
    assert seen.decides == ()
    assert says in " ".join(seen.refusals)


def test_what_is_in_the_way_for_some_is_told_for_those() -> None:
    """Pupils stay behind a trust rule; staff get the page."""
    seen = look(Action.ALLOW, "category:vpn")
    assert {effect.after.rule for effect in seen.elsewhere} == {"ways-round"}
    assert {effect.after.band for effect in seen.decides} == {Band.STAFF}
    assert seen.refusals == ()


def test_what_a_lesson_stands_in_the_way_of_may_be_made_for_later() -> None:
    """The trust closes games in lessons only: now it has no effect, at lunch it has."""
    now = look(Action.ALLOW, "host:games.example", group="year-4", site="oakwood")
    assert now.decides == ()
    assert now.refusals == ()
    assert look(Action.ALLOW, "host:games.example", at("2026-11-24 12:30"), group="year-4", site="oakwood").decides


def test_what_is_read_all_the_same_is_not_accepted() -> None:
    """A page below the host is on a statutory list: the click would do nothing, and is refused."""
    parts = Parts(PlainIndex({**LISTS, "child-abuse": ["half.example/page"]}), school_policy())
    seen = outlook(parts, Decided(), Override(9, Action.BYPASS, "host:half.example"), PEOPLE, LESSON)
    assert seen.decides == ()
    assert "read all the same" in " ".join(seen.refusals)


def test_passing_unread_decides_only_for_those_who_may_go_there() -> None:
    """For staff it is allowed and passes; for children it stays closed, by the rule that closes it."""
    seen = look(Action.BYPASS, "host:unknown.example")
    assert Band.STAFF in {effect.after.band for effect in seen.decides}
    closed = [effect.after for effect in seen.elsewhere if effect.after.band is Band.KS2]
    assert {verdict.action for verdict in closed} == {Action.BLOCK}
    assert seen.refusals == ()
