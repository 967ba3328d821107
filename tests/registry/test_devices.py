"""What addresses mean comes from the register: rooms, machines, the inventory."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from identity.directory import Place
from registry import devices
from registry.change import RegistryError, revision_number
from registry.devices import Position
from tests.registry.conftest import OFFICE, trail

LAB14 = Position(
    Place("10.4.2.14", "oakwood", "lab2-14", frozenset({"it-suite"}), "ks2", True), "ICT-0042", "it support"
)
ROOM = Position(Place("10.4.1.0/24", "oakwood", groups=frozenset({"room-1"})))


def test_a_machine_resolves_to_asset_and_owner(connection: Connection) -> None:
    """The inventory's tag and owner stand beside the address (E-07)."""
    devices.put(connection, LAB14, OFFICE)
    devices.put(connection, ROOM, OFFICE)
    assert devices.places(connection) == [ROOM, LAB14]


@pytest.mark.parametrize(
    ("written", "network"),
    [
        ("10.4.2.14/32", "10.4.2.14"),
        ("10.4.2.14/24", "10.4.2.0/24"),
        (" 10.4.2.14 ", "10.4.2.14"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("2001:db8::/64", "2001:db8::/64"),
    ],
)
def test_one_spelling_of_a_network(connection: Connection, written: str, network: str) -> None:
    """The same network is one line of the register, however it is written."""
    first = devices.put(connection, Position(Place(written, "oakwood")), OFFICE)
    again = devices.put(connection, Position(Place(network, "oakwood")), OFFICE)
    assert first.place.network == again.place.network == network
    assert len(devices.places(connection)) == 1
    assert len(trail(connection)) == 1


def test_a_change_and_a_removal_are_audited(connection: Connection) -> None:
    """The trail keeps what an address meant before."""
    devices.put(connection, LAB14, OFFICE)
    devices.put(connection, Position(Place("10.4.2.14", "oakwood", "lab2-15")), OFFICE)
    devices.remove(connection, "10.4.2.14", OFFICE)
    assert [line[1] for line in trail(connection)] == ["place.add", "place.change", "place.remove"]
    before = trail(connection)[1][3]
    assert before is not None
    assert (before["device"], before["asset"]) == ("lab2-14", "ICT-0042")
    assert devices.places(connection) == []
    assert revision_number(connection) == 3


def test_problems_all_at_once(connection: Connection) -> None:
    """A place with five mistakes is answered once."""
    wrong = Position(Place("10.4.2", "Oak Wood", "lab 2", frozenset({"A B"}), "ks9"), "=1")
    with pytest.raises(RegistryError) as refusal:
        devices.put(connection, wrong, OFFICE)
    assert len(refusal.value.problems) == 6
    with pytest.raises(RegistryError, match="no such place"):
        devices.remove(connection, "10.9.9.9", OFFICE)


def test_the_inventory_comes_in(connection: Connection) -> None:
    """A spreadsheet of machines is shown first, then taken; what it leaves out stays."""
    devices.put(connection, LAB14, OFFICE)
    data = b"network,site,device,asset\n10.4.2.14,oakwood,lab2-14,ICT-0099\n10.4.2.15,oakwood,lab2-15,ICT-0043\n"
    plan = devices.plan_import(connection, data, file="assets.csv")
    assert (len(plan.added), len(plan.changed), plan.same, plan.problems) == (1, 1, 0, ())
    assert devices.places(connection) == [LAB14]
    assert devices.apply_import(connection, plan, OFFICE) == 2
    known = {one.place.network: one for one in devices.places(connection)}
    assert known["10.4.2.14"] == Position(LAB14.place, "ICT-0099", "it support")
    assert devices.plan_import(connection, data, file="assets.csv").same == 2


def test_a_bad_inventory_changes_nothing(connection: Connection) -> None:
    """Lines are named; twice the same address is a mistake."""
    data = b"network,site,shared\n10.4.2.14,oakwood,maybe\nnowhere,oakwood,\n10.4.2.14/32,oakwood,\n"
    plan = devices.plan_import(connection, data, file="assets.csv")
    assert [str(problem).split(":")[1] for problem in plan.problems] == ["2", "3", "4"]
    with pytest.raises(RegistryError):
        devices.apply_import(connection, plan, OFFICE)
    assert devices.places(connection) == []
