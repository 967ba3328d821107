"""What devices refuse, counted in PostgreSQL as in SQLite.

Shows: `registry.refusals`.
"""

from __future__ import annotations

from logstore.db import open_catalog, upgrade
from logstore.place import Database
from registry.refusals import file_all, suggestions
from tests.registry.conftest import AT
from tests.registry.test_refusals import APP, LEARNING, THREE, TRUSTING, refused, taken


def test_people_and_takers_are_counted_in_postgresql(database: Database) -> None:
    """Several addresses of one person are one device, and so are several that take the host."""
    upgrade(database)
    engine = open_catalog(database)
    facts = [*THREE, *TRUSTING, *taken("t1", "t2", "t3", person="p")]
    more = [refused("10.4.2.1", named=False), refused("d1", host="own.example"), *taken("d1", host="own.example")]
    with engine.begin() as connection:
        assert file_all(connection, [*facts, *more], LEARNING.window) == len(facts) + len(more)
        (one,) = suggestions(connection, AT, LEARNING)
    engine.dispose()
    assert (one.host, one.devices, one.known_devices, one.staff_devices, one.takers) == (APP, 3, 3, 0, 1)
