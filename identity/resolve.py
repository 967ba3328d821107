"""Evidence in, `Identity` out: the one place that says what is believed about who is asking. Pure.

The rules, in the order they are read:

1. The address comes from the socket. It gives site, device, groups and a band; it never gives a name. Headers such as
   `X-Forwarded-For` are not evidence: there is no way to hand them in (E-10, D-20).
2. A name is believed when its password was found right (`checked`), and never otherwise.
3. A sign-in that was offered and not proved is refused, also where sign-in is optional: it never turns into browsing
   without a name.
4. A person's own band wins over the address's; groups add up; a shared login or a shared machine marks the row shared.
5. Access withdrawn, suspended or without consent is refused, and the name stays in the record: it was proved.
6. Where sign-in is required, only a place marked shared (a class set of tablets, a kiosk) goes without, and an address
   alone never makes anyone staff there (E-11).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Literal

from identity.basic import parse_basic
from identity.directory import Directory, Person, Place, canonical_address
from identity.model import Evidence, Identity
from identity.sessions import ConnectionSession, Standing

type SignIn = Literal["off", "optional", "required"]

ADULT_BAND = "staff"
"""The band that nobody gets from an address where sign-in is required."""


def resolve(evidence: Evidence, directory: Directory, sign_in: SignIn, checked: bool | None, at: datetime) -> Identity:
    """Who this is. `checked` is what `PasswordCheck` said of `evidence.authorization`; None when it was not asked.

    With `sign_in` off the header is not looked at. Refusals are values (`Identity.refused`), never exceptions.
    """
    here = _from_address(evidence.address, directory.place(evidence.address))
    if sign_in == "off":
        return here
    if evidence.authorization is None:
        return _without_sign_in(here, sign_in, directory.place(evidence.address))
    credentials = parse_basic(evidence.authorization)
    person = None if credentials is None else directory.person(credentials.name)
    if checked is not True or person is None or person.password_hash is None:
        return replace(here, band=None, refused="sign-in")
    return _signed_in(here, person, at)


def resolve_unasked(address: str, directory: Directory, sign_in: SignIn) -> Identity:
    """Who this is on a connection where nobody can be asked to sign in (transparent use): what the address says.

    Where sign-in is required, the address of anything but a place marked shared says no more than the site, not even
    which device it is, which a rule could let through: nobody is refused, and the strictest band decides.
    """
    here = _from_address(address, directory.place(address))
    found = _without_sign_in(here, sign_in, directory.place(address))
    return found if found.refused is None else replace(found, groups=frozenset(), device=None, refused=None)


def resolve_session(address: str, session: ConnectionSession, directory: Directory, at: datetime) -> Identity:
    """Who is on a connection that signed in before, with the people in force now.

    A leaver keeps the name in the record and is refused as disabled. After a change of password the name is no longer
    believed and the person is asked to sign in.
    """
    here = _from_address(address, directory.place(address))
    standing = session.standing(directory, at)
    if standing is Standing.GONE:
        return replace(here, band=None, user=session.name, source="basic", verified=True, refused="disabled")
    person = directory.person(session.name)
    if person is None or person.password_hash != session.proof:
        return replace(here, band=None, refused="sign-in")
    return _signed_in(here, person, at)


def _from_address(text: str, place: Place | None) -> Identity:
    address = canonical_address(text)
    if place is None:
        return Identity(address)
    return Identity(
        address,
        site=place.site,
        device=place.device,
        groups=place.groups,
        band=place.band,
        source="address",
        shared=place.shared,
    )


def _without_sign_in(here: Identity, sign_in: SignIn, place: Place | None) -> Identity:
    if sign_in != "required":
        return here
    if place is not None and place.shared and place.band != ADULT_BAND:
        return here
    return replace(here, band=None, refused="sign-in")


def _signed_in(here: Identity, person: Person, at: datetime) -> Identity:
    refused = _refusal(person, at)
    return replace(
        here,
        site=here.site or person.site,
        user=person.name,
        groups=here.groups | person.groups,
        band=person.band or here.band,
        source="basic",
        verified=True,
        shared=here.shared or person.shared,
        refused=refused,
        refused_until=person.suspended_until if refused == "suspended" else None,
    )


def _refusal(person: Person, at: datetime) -> str | None:
    if person.disabled:
        return "disabled"
    if person.suspended_until is not None and at < person.suspended_until:
        return "suspended"
    return None if person.consent else "consent"
