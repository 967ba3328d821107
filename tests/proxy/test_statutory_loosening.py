"""Settings and restarts do not take a statutory list back, and no key of one's own gets past it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from proxy.statutory_settings import StatutorySettings
from proxy.statutory_state import StatutoryError
from tests.categories.statutory_rig import NOW, Issuer
from tests.proxy.statutory_office import Office, blocked

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office with both lists in force, the gateway running."""
    made = Office(tmp_path)
    made.put_all()
    assert made.look().problems(NOW) == ()
    return made


def test_a_reload_that_removes_a_list_is_refused(office: Office) -> None:
    with pytest.raises(StatutoryError, match=r"ctiru.*cannot be removed"):
        office.keeper.refuse_loosening(office.settings("iwf"))
    with pytest.raises(StatutoryError, match="stay as they are"):
        office.keeper.refuse_loosening(StatutorySettings())
    office.keeper.refuse_loosening(office.settings())


def test_a_restart_with_the_list_removed_keeps_it_in_force_and_is_not_compliant(office: Office) -> None:
    office.restart()
    standing = office.look(settings=StatutorySettings())
    assert blocked(standing, "iwf")
    assert blocked(standing, "ctiru")
    assert sum("no longer name it" in problem for problem in standing.problems(NOW)) == 2


def test_a_removed_list_is_even_kept_up_to_date(office: Office) -> None:
    office.restart()
    office.put("iwf", 2, entries=["filehost.test/listed", "new.test"])
    assert office.look(settings=office.settings("ctiru")).bundles["iwf"].header.sequence == 2


def test_a_list_that_was_required_stays_required(office: Office) -> None:
    lax = StatutorySettings(
        sources=tuple(source.model_copy(update={"required": False}) for source in office.settings().sources)
    )
    with pytest.raises(StatutoryError, match="was required"):
        office.keeper.refuse_loosening(lax)
    office.restart()
    office.file("iwf").write_bytes(office.file("iwf").read_bytes()[:-100])
    assert office.look(settings=lax).problems(NOW)


def test_a_key_of_ones_own_gets_nobody_past(office: Office) -> None:
    """Edit the settings to pin another key, sign an empty-handed list with it: the old list stays, loudly."""
    mine = Issuer()
    office.file("iwf").write_bytes(mine.issue(["harmless.test"], sequence=999))
    sources = tuple(
        source.model_copy(update={"public_key": mine.key}) if source.name == "iwf" else source
        for source in office.settings().sources
    )
    edited = StatutorySettings(sources=sources)
    with pytest.raises(StatutoryError, match="only its issuer can change the key"):
        office.keeper.refuse_loosening(edited)
    office.restart()
    standing = office.look(settings=edited)
    assert blocked(standing, "iwf")
    problems = " ".join(standing.problems(NOW))
    assert "another key" in problems
    assert "unknown key" in problems


def test_an_issuer_changes_the_key_by_naming_the_next_one(office: Office) -> None:
    old, new = office.issuers["iwf"], Issuer()
    office.put("iwf", 2, successor=new.key)
    assert office.look().problems(NOW) == ()
    office.issuers["iwf"] = new
    new_settings = office.settings()
    office.issuers["iwf"] = old
    office.file("iwf").write_bytes(new.issue(office.entries["iwf"], sequence=3))
    assert "put that key into the settings" in " ".join(office.look().problems(NOW))
    office.keeper.refuse_loosening(new_settings)
    standing = office.look(settings=new_settings)
    assert standing.problems(NOW) == ()
    assert standing.bundles["iwf"].header.sequence == 3
    office.file("iwf").write_bytes(old.issue(["harmless.test"], sequence=4))
    assert "unknown key" in " ".join(office.look(settings=new_settings).problems(NOW)), "the old key is over"


def test_a_list_that_was_never_in_force_may_be_corrected_and_removed(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.file("iwf").write_bytes(Issuer().issue())
    assert office.look().bundles == {}
    office.keeper.refuse_loosening(StatutorySettings())
    assert office.look(settings=StatutorySettings()).state.sources == ()
