"""What is believed about who is asking, in the words of a school."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.basic import Cost, PasswordCheck, hash_password, parse_basic
from identity.directory import Directory, Person, Place
from identity.model import Evidence, Identity
from identity.resolve import SignIn, resolve, resolve_unasked

AT = datetime(2026, 11, 17, 10, 20, tzinfo=UTC)
WORD = "otter kite lamp"
HASH = hash_password(WORD, Cost(memory=64, passes=1))

PEOPLE = {
    person.name: person
    for person in (
        Person("pupil-0417", HASH, "ks2", frozenset({"year-4"})),
        Person("teacher", HASH, "staff", frozenset({"teaching-staff"})),
        Person("class3b", HASH, "ks2", frozenset({"year-3"}), shared=True),
        Person("no-band", HASH),
        Person("leaver", HASH, "ks2", disabled=True),
        Person("suspended", HASH, "ks3", suspended_until=AT + timedelta(days=3)),
        Person("served", HASH, "ks3", suspended_until=AT),
        Person("no-form", HASH, "ks1", consent=False),
        Person("everything", HASH, "ks3", disabled=True, consent=False, suspended_until=AT + timedelta(days=3)),
        Person("sso-only", None, "staff"),
        Person("visitor", HASH, "staff", site="elm-park"),
    )
}
CLASSROOM, SUITE, OFFICE, UNKNOWN = "10.4.1.7", "10.4.2.14", "10.4.9.3", "192.0.2.9"
SCHOOL = Directory(
    PEOPLE,
    (
        Place("10.4.1.0/24", "oakwood", groups=frozenset({"room-1"}), band="ks2"),
        Place("10.4.2.14", "oakwood", "lab2-14", frozenset({"it-suite"}), "ks2", shared=True),
        Place("10.4.9.0/24", "oakwood", band="staff", shared=True),
    ),
    "7-test",
)


def header(name: str, password: str = WORD) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def ask(
    address: str, name: str | None = None, *, sign_in: SignIn = "optional", checked: bool | None = None
) -> Identity:
    return resolve(Evidence(address, header(name) if name else None), SCHOOL, sign_in, checked, AT)


@pytest.mark.parametrize(
    ("address", "name", "band", "groups", "device", "shared"),
    [
        (CLASSROOM, "pupil-0417", "ks2", {"year-4", "room-1"}, None, False),
        (CLASSROOM, "PUPIL-0417", "ks2", {"year-4", "room-1"}, None, False),
        (CLASSROOM, "teacher", "staff", {"teaching-staff", "room-1"}, None, False),
        (CLASSROOM, "class3b", "ks2", {"year-3", "room-1"}, None, True),
        (SUITE, "pupil-0417", "ks2", {"year-4", "it-suite"}, "lab2-14", True),
        (CLASSROOM, "no-band", "ks2", {"room-1"}, None, False),
        (UNKNOWN, "no-band", None, set(), None, False),
        (UNKNOWN, "teacher", "staff", {"teaching-staff"}, None, False),
        (CLASSROOM, "served", "ks3", {"room-1"}, None, False),
    ],
)
def test_somebody_signed_in(
    address: str, name: str, band: str | None, groups: set[str], device: str | None, shared: bool
) -> None:
    """The person's band before the room's, both their groups, and the row marked where several may stand behind it."""
    identity = ask(address, name, checked=True)
    assert identity.user == name.lower()
    assert (identity.band, identity.groups, identity.device, identity.shared) == (band, groups, device, shared)
    assert (identity.source, identity.verified, identity.refused) == ("basic", True, None)


@pytest.mark.parametrize(
    ("name", "refused", "until"),
    [
        ("leaver", "disabled", None),
        ("suspended", "suspended", AT + timedelta(days=3)),
        ("no-form", "consent", None),
        ("everything", "disabled", None),
    ],
)
def test_somebody_known_but_refused(name: str, refused: str, until: datetime | None) -> None:
    """Withdrawn, suspended or without consent: refused, and the record still says who it was."""
    identity = ask(CLASSROOM, name, checked=True)
    assert (identity.refused, identity.refused_until) == (refused, until)
    assert (identity.user, identity.verified) == (name, True)


@pytest.mark.parametrize("sign_in", ["optional", "required"])
@pytest.mark.parametrize(
    ("name", "checked"),
    [("teacher", False), ("teacher", None), ("nobody", False), ("nobody", True), ("sso-only", True), ("leaver", False)],
)
@pytest.mark.parametrize("address", [CLASSROOM, SUITE, OFFICE, UNKNOWN])
def test_a_sign_in_not_proved_is_refused(address: str, name: str, checked: bool | None, sign_in: SignIn) -> None:
    """A wrong password, an unknown name or an unasked question never names anybody and never falls back to browsing."""
    identity = ask(address, name, sign_in=sign_in, checked=checked)
    assert (identity.user, identity.verified, identity.refused) == (None, False, "sign-in")
    assert identity.band is None
    assert "teaching-staff" not in identity.groups


@pytest.mark.parametrize(
    ("address", "sign_in", "band", "refused"),
    [
        (CLASSROOM, "off", "ks2", None),
        (CLASSROOM, "optional", "ks2", None),
        (CLASSROOM, "required", None, "sign-in"),
        (SUITE, "required", "ks2", None),
        (OFFICE, "off", "staff", None),
        (OFFICE, "optional", "staff", None),
        (OFFICE, "required", None, "sign-in"),
        (UNKNOWN, "off", None, None),
        (UNKNOWN, "optional", None, None),
        (UNKNOWN, "required", None, "sign-in"),
    ],
)
def test_nobody_signed_in(address: str, sign_in: SignIn, band: str | None, refused: str | None) -> None:
    """An address alone gives at most a band; where sign-in is required only shared machines go without, never staff."""
    identity = ask(address, sign_in=sign_in)
    assert (identity.band, identity.refused) == (band, refused)
    assert (identity.user, identity.verified) == (None, False)
    assert identity.source == ("none" if address == UNKNOWN else "address")


@pytest.mark.parametrize(
    ("address", "sign_in", "band", "groups"),
    [
        (CLASSROOM, "off", "ks2", {"room-1"}),
        (CLASSROOM, "optional", "ks2", {"room-1"}),
        (CLASSROOM, "required", None, set()),
        (SUITE, "required", "ks2", {"it-suite"}),
        (OFFICE, "optional", "staff", set()),
        (OFFICE, "required", None, set()),
        (UNKNOWN, "off", None, set()),
        (UNKNOWN, "required", None, set()),
    ],
)
def test_nobody_can_be_asked(address: str, sign_in: SignIn, band: str | None, groups: set[str]) -> None:
    """A device that knows of no proxy is never refused for it; where sign-in is required its address says little more
    than the site: the strictest band decides, and no group makes it another."""
    identity = resolve_unasked(address, SCHOOL, sign_in)
    assert (identity.band, identity.groups, identity.refused) == (band, groups, None)
    assert (identity.user, identity.verified) == (None, False)


def test_where_sign_in_is_required_a_name_of_the_machine_lets_nobody_through() -> None:
    """A rule for the office's computer is for whoever signed in there, not for its address alone."""
    office = Directory({}, (Place("10.4.9.3/32", "oakwood", band="staff", device="office-1"),))
    assert resolve_unasked(OFFICE, office, "optional").device == "office-1"
    unasked = resolve_unasked(OFFICE, office, "required")
    assert (unasked.device, unasked.site, unasked.band) == (None, "oakwood", None)


def test_with_sign_in_off_a_header_says_nothing() -> None:
    """A client that signs in where nobody asks is the address it comes from, whatever was checked."""
    assert ask(CLASSROOM, "teacher", sign_in="off", checked=True) == ask(CLASSROOM, sign_in="off")


@pytest.mark.parametrize(("address", "site"), [(CLASSROOM, "oakwood"), (UNKNOWN, "elm-park")])
def test_where_a_visiting_teacher_is_counts(address: str, site: str) -> None:
    """The site is where the machine stands; the home site counts only for an address nobody knows."""
    assert ask(address, "visitor", checked=True).site == site


def test_the_address_is_written_one_way() -> None:
    """IPv4 inside IPv6 is the same machine."""
    assert ask("::ffff:10.4.2.14") == ask("10.4.2.14")


@given(
    st.one_of(
        st.text(max_size=80),
        st.builds(header, st.sampled_from(sorted(PEOPLE)), st.text(max_size=20).filter(lambda word: word != WORD)),
        st.builds(lambda word: "Basic " + base64.b64encode(word).decode(), st.binary(max_size=60)),
        st.builds(header, st.text(max_size=20)),
    ),
    st.sampled_from(["off", "optional", "required"]),
    st.sampled_from([CLASSROOM, SUITE, OFFICE, UNKNOWN]),
)
def test_no_header_proves_a_name_without_the_password(told: str, sign_in: SignIn, address: str) -> None:
    """From header to identity as the gateway does it: only an account with its own right password is verified."""
    credentials = parse_basic(told)
    person = SCHOOL.person(credentials.name) if credentials else None
    checked = CHECK.verify(credentials, person) if credentials else None
    identity = resolve(Evidence(address, told), SCHOOL, sign_in, checked, AT)
    if identity.verified or identity.user:
        assert credentials is not None
        assert credentials.password == WORD
        assert identity.user == credentials.name
        assert identity.user in PEOPLE


CHECK = PasswordCheck(cost=Cost(memory=64, passes=1))
