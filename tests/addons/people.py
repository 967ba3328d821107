"""The people of the laboratory's register, and what they type."""

from __future__ import annotations

from dataclasses import replace

from identity.basic import Cost, hash_password
from identity.directory import Directory, Person, Place
from tests.addons.host import Host

PASSWORD = "otter kite lamp"
HASH = hash_password(PASSWORD, Cost(memory=64, passes=1))

PUPIL = Person("pupil-1", HASH, band="ks3", groups=frozenset({"year-9"}))
TEACHER = Person("teacher-1", HASH, band="staff")
CLASS = Person("class-4b", HASH, band="ks4", shared=True)
EVERYBODY = (PUPIL, TEACHER, CLASS)
PLACES = (Place("127.0.0.0/8", "oakwood", band="ks4"),)


def put_in_force(host: Host, *people: Person, revision: str) -> None:
    """Swap in another register, as the worker does when people decide something."""
    register = Directory({person.name: person for person in people}, PLACES, revision)
    host.call(lambda: setattr(host.live, "directory", register))


def disabled(person: Person) -> Person:
    """The same person, whose access was withdrawn."""
    return replace(person, disabled=True)
