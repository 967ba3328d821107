"""The file workers read: what is written is read back, and nothing damaged is ever used."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.directory import Person, Place, account_name
from identity.overlay import VERSION, OverlayError, OverlayWatch, pack_overlay, read_overlay, unpack_overlay

names = st.text(min_size=1, max_size=12).map(account_name).filter(bool)
words = st.text(max_size=12)
people = st.builds(
    Person,
    name=names,
    password_hash=st.none() | words,
    band=st.none() | words,
    groups=st.frozensets(words, max_size=4),
    shared=st.booleans(),
    disabled=st.booleans(),
    consent=st.booleans(),
    suspended_until=st.none() | st.datetimes(timezones=st.just(UTC)),
    site=st.none() | words,
)
places = st.builds(
    Place,
    network=st.ip_addresses().map(str),
    site=words,
    device=st.none() | words,
    groups=st.frozensets(words, max_size=4),
    band=st.none() | words,
    shared=st.booleans(),
)


@given(
    st.lists(people, max_size=6, unique_by=lambda person: person.name),
    st.lists(places, max_size=6, unique_by=lambda place: place.network),
    st.integers(0, 2**40),
)
def test_what_is_written_is_read_back(written: list[Person], stood: list[Place], number: int) -> None:
    """People, places and number survive the file, whatever text they hold."""
    overlay = unpack_overlay(pack_overlay(number, written, stood))
    assert dict(overlay.directory.people) == {person.name: person for person in written}
    assert overlay.number == number
    for place in stood:
        assert overlay.directory.place(place.network) is not None


PUPIL = Person("pupil-0417", "hash", "ks2", frozenset({"year-4", "choir"}))
GOOD = pack_overlay(7, [PUPIL], [Place("10.4.1.0/24", "oakwood")])


def test_equal_decisions_have_equal_revisions() -> None:
    """The revision names the content: written twice it is the same, changed it is another."""
    again = unpack_overlay(pack_overlay(7, [PUPIL], [Place("10.4.1.0/24", "oakwood")]))
    other = unpack_overlay(pack_overlay(7, [PUPIL], [Place("10.4.1.0/24", "elm-park")]))
    assert again.revision == unpack_overlay(GOOD).revision
    assert other.revision != again.revision
    assert again.directory.revision == again.revision


def test_places_of_the_register_win_over_the_settings() -> None:
    """Both are in force; for one network the register's word counts."""
    settings = (Place("10.4.1.0/24", "from-settings"), Place("10.4.2.0/24", "from-settings"))
    overlay = unpack_overlay(pack_overlay(7, [], [Place("10.4.1.0/24", "oakwood")], settings))
    sites = [place.site for address in ("10.4.1.1", "10.4.2.1") if (place := overlay.directory.place(address))]
    assert sites == ["oakwood", "from-settings"]
    assert overlay.settings_places == settings


def sealed(body: object, version: object = VERSION) -> bytes:
    packed = msgpack.packb(body)
    return msgpack.packb({"schoolgate-overlay": version, "sha256": hashlib.sha256(packed).digest(), "body": packed})


def test_a_newer_writer_may_add_more() -> None:
    """Keys and columns this reader does not know are left alone."""
    body = {
        "number": 7,
        "people": [["pupil-0417", "hash", "ks2", None, [], 4, None, "a later column"]],
        "places": [["10.4.1.0/24", "oakwood", None, None, [], 0, {"later": 1}]],
        "settings_places": [],
        "overrides": [{"host": "example.org"}],
    }
    assert unpack_overlay(sealed(body)).directory.person("pupil-0417") == Person("pupil-0417", "hash", "ks2")
    assert unpack_overlay(pack_overlay(7, [PUPIL], [], more={"overrides": [1]})).directory.person("pupil-0417") == PUPIL


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "cut short"),
        (b"\xc1", "not an overlay"),
        (b"people: []", "not an overlay"),
        (msgpack.packb([]), "not an overlay"),
        (msgpack.packb({"schoolgate-overlay": VERSION}), "not an overlay"),
        (GOOD[:-1], "cut short"),
        (GOOD[:40], "cut short"),
        (GOOD + b"\x00", "not an overlay"),
        (GOOD[:-3] + bytes([GOOD[-3] ^ 1]) + GOOD[-2:], "checksum"),
        (sealed({"number": 1}, VERSION + 1), "format 2"),
        (sealed({"number": 1}), "not an overlay"),
        (sealed({"number": 1, "people": [["short"]], "places": [], "settings_places": []}), "cannot be read"),
        (
            sealed({"number": 1, "people": [], "places": [["nowhere", "a", None, None, [], 0]], "settings_places": []}),
            "not",
        ),
    ],
)
def test_a_damaged_file_is_refused(data: bytes, says: str) -> None:
    """Empty, cut, altered, of another version or another kind: an error that says which, never half of the people."""
    with pytest.raises(OverlayError, match=says):
        unpack_overlay(data)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    """Whatever lies in the folder, the reader answers with its own error."""
    with pytest.raises(OverlayError):
        unpack_overlay(data)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_flipped_byte_gets_through(place: int, flip: int) -> None:
    """One byte altered anywhere is noticed."""
    with pytest.raises(OverlayError):
        unpack_overlay(GOOD[:place] + bytes([GOOD[place] ^ flip]) + GOOD[place + 1 :])


def test_the_error_names_the_file(tmp_path: Path) -> None:
    """A missing or damaged file is named."""
    file = tmp_path / "overlay.msgpack"
    with pytest.raises(OverlayError, match="No such file") as missing:
        read_overlay(file)
    assert missing.value.where == file
    file.write_bytes(b"nonsense")
    with pytest.raises(OverlayError, match=str(file)):
        read_overlay(file)


def test_the_watch_tells_each_new_file_once(tmp_path: Path) -> None:
    """A file put in place by rename is news once; no file is no news."""
    file = tmp_path / "overlay.msgpack"
    watch = OverlayWatch(file)
    assert not watch.changed()
    for _ in range(3):
        (tmp_path / "new").write_bytes(GOOD)
        (tmp_path / "new").rename(file)
        assert watch.changed()
        assert not watch.changed()
    file.unlink()
    assert not watch.changed()


def test_a_person_keeps_its_times(tmp_path: Path) -> None:
    """The end of a suspension is kept to the microsecond."""
    until = datetime(2026, 12, 1, 8, 30, 0, 123456, tzinfo=UTC)
    person = Person("pupil-0417", suspended_until=until)
    assert unpack_overlay(pack_overlay(1, [person], [])).directory.person("pupil-0417") == person
