"""Names to pick from are found and ordered alike, whatever language a database sorts in.

Shows: `logstore.facets`, `logstore.dialects`.
"""

from __future__ import annotations

from logstore.db import reading
from logstore.facets import facets
from logstore.place import Where
from logstore.store import open_store
from tests.logstore.rows import AT, ended, ids_from, request

USERS = ("zoe", "Zara", "Élodie", "élan", "Eric", "e_ric")


def test_names_that_begin_so_are_found_and_stand_in_the_order_of_their_bytes(where: Where) -> None:
    """Letters a to z in either case; others and signs as they are."""
    ids = ids_from(AT)
    with open_store(where) as store:
        store.append([(request(ids.next(), user=user), ended()) for user in USERS])
    found = {"": sorted(USERS), "z": ["Zara", "zoe"], "É": ["Élodie"], "é": ["élan"], "E_": ["e_ric"], "%": []}
    with reading(where) as catalog:
        for begins, names in found.items():
            assert [facet.name for facet in facets(catalog, "user", begins)] == names, begins


def test_names_without_a_table_of_their_own_stand_in_the_order_of_their_bytes_too(where: Where) -> None:
    """A page of them ends where the other engine's does."""
    ids = ids_from(AT)
    with open_store(where) as store:
        store.append([(request(ids.next(), site=name, band=name, rule=name, list=name), ended()) for name in USERS])
    with reading(where) as catalog:
        for kind in ("site", "band", "rule", "list"):
            assert [facet.name for facet in facets(catalog, kind)] == sorted(USERS), kind
            assert [facet.name for facet in facets(catalog, kind, "z", 1)] == ["Zara"], kind
