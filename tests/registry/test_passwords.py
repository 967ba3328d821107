"""Which passwords are taken: long ones that nobody tries first."""

from __future__ import annotations

import pytest

from identity.basic import Credentials, PasswordCheck
from identity.directory import Person
from registry.change import RegistryError
from registry.passwords import made_up, new_hash, password_problems
from tests.registry.conftest import CHEAP


@pytest.mark.parametrize(
    ("password", "band", "shared", "says"),
    [
        ("otter kite lamp", "staff", False, None),
        ("otterkite", "staff", False, "too short"),
        ("otterkite", None, False, "too short"),
        ("otterkite", "guest", False, "too short"),
        ("otterkite", "ks2", False, None),
        ("otterki", "ks2", False, "too short"),
        ("otterkite", None, True, None),
        ("æøå kite", "ks1", False, None),
        ("", "ks2", True, "too short"),
        ("x" * 257, "staff", False, "too long"),
        ("otter kite\tlamp", "staff", False, "control character"),
        ("password", "ks2", False, "tried first"),
        ("Password1!", "ks2", False, "tried first"),
        ("P\uff41ssword123", "ks2", False, "tried first"),
        ("123456789", "ks2", False, "tried first"),
        ("987654321", "ks2", False, "tried first"),
        ("aaaaaaaaaaaa", "staff", False, "tried first"),
        ("qwertyuiop", "ks2", False, "tried first"),
        ("schoolgate2026", "staff", False, "tried first"),
        ("a.teacher2026", "staff", False, "tried first"),
    ],
)
def test_length_counts_and_well_known_words_do_not(
    password: str, band: str | None, shared: bool, says: str | None
) -> None:
    """Eight characters for pupils and class logins, twelve for adults; no rule about signs and capitals."""
    problems = password_problems(password, name="a.teacher", band=band, shared=shared)
    if says is None:
        assert problems == []
    else:
        assert says in " ".join(map(str, problems))


def test_every_reason_is_given_and_the_password_never_shown() -> None:
    """The answer names all that is wrong, and can be read over a shoulder."""
    with pytest.raises(RegistryError) as refusal:
        new_hash("secret\t", name="a.teacher", band="staff", shared=False, cost=CHEAP)
    assert len(refusal.value.problems) == 2
    assert "secret" not in str(refusal.value)


def test_the_hash_lets_the_person_in() -> None:
    """What the register hashes is what sign-in checks, from any keyboard."""
    person = Person("zoë", new_hash("schlu\u0308ssel kite", name="zoë", band="staff", shared=False, cost=CHEAP))
    assert PasswordCheck(cost=CHEAP).verify(Credentials("zoë", "schlüssel kite"), person)


def test_one_that_is_made_up_is_good_enough_and_never_the_same() -> None:
    made = {made_up() for _ in range(50)}
    assert len(made) == 50
    assert all(len(one) == 14 and not set(one) & set("aeiouly01") for one in made)
    assert not any(password_problems(one, name="jo", band="staff", shared=False) for one in made)
