"""Programs that refuse to be read: what counts, what does not, and for how long.

Shows: `registry.caution`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from categories.taxonomy import load_taxonomy
from logstore.encoding import Fact
from policy.kinds import kinds_of
from policy.model import Action
from policy.overrides import Override
from registry.caution import Caution, caution, with_evidence
from registry.change import By, RegistryError
from registry.overrides import add
from registry.refusals import TAKERS, Learning, dismiss, facts, file_all, forget, forget_dismissed, suggestions
from registry.schema import tls_taken
from tests.policy.lists import PlainIndex
from tests.registry.conftest import AT, trail

LEARNING = Learning(devices=3, days=14, hosts=4)
APP = "api.app.example"
TECHNICIAN = By("technician-1", AT, "the app pins its certificate")


def seen(kind: str, at: datetime = AT, **what: Any) -> Fact:
    return Fact(kind, 0, {"at": at.isoformat(), **what})


def refused(device: str, host: str = APP, at: datetime = AT, **more: Any) -> Fact:
    told = {"site": "oakwood", "staff": False, "sign": "unknown-ca", "named": True, **more}
    return seen("tls-refused", at, device=device, host=host, **told)


def accepts(*devices: str, at: datetime = AT) -> list[Fact]:
    return [seen("tls-accepts", at, device=device) for device in devices]


def learn(connection: Connection, *facts: Fact) -> None:
    assert file_all(connection, facts, LEARNING.window) == len(facts)


def hosts(connection: Connection, at: datetime = AT, site: str | None = None) -> list[str]:
    return [one.host for one in suggestions(connection, at, LEARNING, site)]


def taken(*devices: str, host: str = APP, **more: Any) -> list[Fact]:
    return [seen("tls-taken", host=host, device=device, **more) for device in devices]


DAY = timedelta(days=1)
THREE = [refused("d1"), refused("d2"), refused("d3")]
TRUSTING = accepts("d1", "d2", "d3")


def test_three_devices_that_trust_us_elsewhere_make_a_suggestion(connection: Connection) -> None:
    """It says who: how many devices, of staff among them, where, how, since when and until when."""
    yesterday = AT - timedelta(days=1)
    more = [refused("d1", at=yesterday, sign="closed"), refused("d3", site="hillview", staff=True)]
    learn(connection, *THREE[:2], *more, *TRUSTING)
    (one,) = suggestions(connection, AT, LEARNING)
    assert (one.host, one.devices, one.staff_devices, one.days, one.times) == (APP, 3, 1, 2, 4)
    assert (one.sites, one.signs) == (("hillview", "oakwood"), ("closed", "unknown-ca"))
    assert (one.first_at, one.last_at, one.expires_at) == (yesterday, AT, AT + timedelta(days=14))
    assert facts(one)["signs"] == ["closed", "unknown-ca"]
    assert trail(connection) == [], "nothing was decided"


@pytest.mark.parametrize(
    "learned",
    [
        pytest.param([*THREE[:2], *TRUSTING], id="too few"),
        pytest.param([THREE[0]] * 9 + TRUSTING, id="one device, often"),
        pytest.param(THREE, id="devices without our CA"),
        pytest.param([*THREE, *TRUSTING[:2]], id="one of them without our CA"),
        pytest.param([*THREE, *TRUSTING, *taken("d4", "d5", "d6")], id="as many took our certificate for it"),
        pytest.param([*THREE, *TRUSTING, *taken("d3")], id="one of them took our certificate for it"),
        pytest.param([*(refused(f"d{n}", person="p") for n in range(1, 4)), *TRUSTING], id="devices of one person"),
        pytest.param([*(refused("d1", person=f"p{n}", at=AT - n * DAY) for n in range(3)), *TRUSTING], id="one device"),
        pytest.param(
            [*THREE, *TRUSTING, *(refused("d1", f"h{n}.example") for n in range(4))], id="one that refuses everything"
        ),
        pytest.param([*THREE, *accepts("d1", "d2", "d3", at=AT - timedelta(days=15))], id="trusted us long ago"),
    ],
)
def test_what_makes_no_suggestion(connection: Connection, learned: list[Fact]) -> None:
    learn(connection, *learned)
    assert hosts(connection) == []


def test_one_pupil_hides_no_program_of_the_trust(connection: Connection) -> None:
    """However many devices and signed-in hours they take our certificate with: fewer than refuse it do not count."""
    learn(connection, *THREE, *TRUSTING, *taken("d7", "d8", "d9", "d10", person="p"), *taken("elsewhere"))
    (one,) = suggestions(connection, AT, LEARNING)
    assert (one.host, one.devices, one.takers) == (APP, 3, 2)
    learn(connection, *taken("d11"))
    assert hosts(connection) == []


def test_what_twenty_devices_take_is_read_however_many_refuse_it(connection: Connection) -> None:
    """And no more of them are kept than that takes."""
    many = [f"d{n}" for n in range(100)]
    learn(connection, *(refused(one) for one in many), *accepts(*many), *taken(*(f"t{n}" for n in range(TAKERS - 1))))
    assert hosts(connection) == [APP]
    learn(connection, *taken(*(f"t{n}" for n in range(90))))
    assert hosts(connection) == []
    assert connection.execute(select(func.count()).select_from(tls_taken)).scalar_one() == 2 * TAKERS


def test_addresses_are_told_from_devices_with_a_name_and_from_people(connection: Connection) -> None:
    """Staff's are told apart."""
    addresses = [refused(f"10.4.2.{n}", named=False) for n in (1, 2)]
    people = [refused("10.4.2.3", named=False, person="p"), refused("10.4.2.4", named=False, person="p")]
    learn(connection, *addresses, *people, refused("d1", staff=True))
    learn(connection, *accepts("d1", *(f"10.4.2.{n}" for n in (1, 2, 3, 4))))
    (one,) = suggestions(connection, AT, LEARNING)
    assert (one.devices, one.known_devices, one.staff_devices) == (4, 2, 1)


def test_who_refused_is_thought_of(connection: Connection) -> None:
    """A suggestion that one person could have made up says so, and passes for a short time."""
    three = [f"10.4.2.{n}" for n in range(3)]
    learn(connection, *(refused(one, named=False) for one in three), *accepts(*three), *taken("d9"))
    (one,) = suggestions(connection, AT, LEARNING)
    about = with_evidence(Caution(words="think"), one)
    assert about.words.startswith("think; no device that refused it has a name")
    assert "no device of staff" in about.words
    assert "another device took" in about.words
    assert (about.never, about.short) == (False, True)
    known = with_evidence(Caution(), replace(one, known_devices=1, staff_devices=1, takers=0))
    assert known == Caution()


def test_it_expires_and_what_devices_did_is_forgotten(connection: Connection) -> None:
    """No device is named in the tables for longer than it counts."""
    learn(connection, *THREE, *TRUSTING)
    assert hosts(connection, AT + timedelta(days=13)) == [APP]
    assert hosts(connection, AT + timedelta(days=15)) == []
    assert forget(connection, AT + timedelta(seconds=1), dry_run=True) == 6
    later = AT + timedelta(days=14, seconds=1)
    learn(connection, *accepts("d9", at=later))
    assert forget(connection, later) == 0
    assert forget(connection, later + timedelta(seconds=1)) == 1


def test_a_site_sees_what_its_own_devices_refused(connection: Connection) -> None:
    learn(connection, *THREE, *TRUSTING)
    assert hosts(connection, site="oakwood") == [APP]
    assert hosts(connection, site="hillview") == []


def test_dismissed_it_is_quiet_for_a_while(connection: Connection) -> None:
    """With a reason, in the trail, and no longer than that."""
    learn(connection, *THREE, *TRUSTING)
    with pytest.raises(RegistryError, match="needs a reason"):
        dismiss(connection, APP, By("technician-1", AT, ""))
    with pytest.raises(RegistryError, match="before it began"):
        dismiss(connection, APP, TECHNICIAN, AT)
    assert dismiss(connection, APP, TECHNICIAN) == AT + timedelta(days=90)
    assert dismiss(connection, APP, TECHNICIAN, AT + timedelta(days=3)) == AT + timedelta(days=3)
    assert hosts(connection) == []
    assert hosts(connection, AT + timedelta(days=4)) == [APP]
    assert [line[:3] for line in trail(connection)] == [("technician-1", "bypass.dismiss", APP)] * 2
    assert forget_dismissed(connection, AT + timedelta(days=4)) == 1


@pytest.mark.parametrize(
    ("override", "left", "passed"),
    [
        (Override(0, Action.BYPASS, "host:app.example"), [], ()),
        (Override(0, Action.BYPASS, f"host:{APP}", site="oakwood"), [APP], ("override-1",)),
        (Override(0, Action.ALLOW, f"host:{APP}"), [APP], ()),
        (Override(0, Action.BYPASS, "host:pp.example"), [APP], ()),
    ],
)
def test_what_passes_already_is_not_suggested(
    connection: Connection, override: Override, left: list[str], passed: tuple[str, ...]
) -> None:
    learn(connection, *THREE, *TRUSTING)
    add(connection, override, TECHNICIAN)
    found = suggestions(connection, AT, LEARNING)
    assert [one.host for one in found] == left
    assert [one.passed for one in found] == [passed] * len(left)


def test_a_fact_nobody_can_read_holds_nothing_up(connection: Connection) -> None:
    odd = [
        Fact("tls-refused", 0, {}),
        seen("tls-accepts", device=7),
        seen("tls-taken", host=""),
        refused("d", sign=None),
    ]
    assert file_all(connection, [*odd, *THREE, *TRUSTING], LEARNING.window) == 6
    assert hosts(connection) == [APP]


LISTS = {
    "pornography": ["porn.example"],
    "vpn": ["vpn.example"],
    "child-abuse": ["illegal.example", "half.example/page"],
    "web-hosting": ["pages.host.example"],
    "help": ["h.example", "api.aid.example/page"],
    "games": ["api.forum.example/play", "forum.example/chess"],
    "gambling": ["forum.example/bets"],
}


@pytest.mark.parametrize(
    ("host", "never", "words"),
    [
        ("api.porn.example", True, ""),
        ("vpn.example", True, ""),
        ("illegal.example", True, ""),
        ("cdn.half.example", True, ""),
        ("192.0.2.7", True, ""),
        ("github.io", True, ""),
        ("a..b", True, ""),
        ("pages.host.example", False, "much besides one program"),
        ("app.co.uk", False, "whole domain"),
        ("api.app.co.uk", False, "it is in no list"),
        ("api.h.example", False, ""),
        ("api.forum.example", False, "pages of it are listed (Gambling, Games): it is read all the same"),
        ("forum.example", False, "is closed; this is a whole domain"),
    ],
)
def test_what_speaks_against_passing_a_host_unread(host: str, never: bool, words: str) -> None:
    found = caution(host, PlainIndex(LISTS), kinds_of(load_taxonomy()))
    assert found.never == never
    assert words in found.words
    assert bool(words) == bool(found.words)
    assert found.short == ("in no list" in found.words)
