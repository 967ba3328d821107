"""What people decided reaches the workers: whole, newest, and only them."""

from __future__ import annotations

import base64
import stat
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine

from identity.directory import Place
from identity.model import Evidence
from identity.overlay import FILE_NAME, OverlayError, OverlayWatch, read_overlay
from identity.resolve import resolve_session
from identity.sessions import signed_in
from registry import devices, people
from registry.devices import Position
from registry.overlay import write_overlay
from registry.people import Details
from registry.watch import OverlayWriter
from tests.registry.conftest import AT, HASH, OFFICE, WORDS

PUPIL = Details("Year 4 pupil", "ks2", frozenset({"year-4"}), "oakwood")
SETTINGS = (Place("10.4.0.0/16", "oakwood", band="ks2"),)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "overlay"


def change(engine: Engine, name: str = "pupil-0417") -> None:
    with engine.begin() as connection:
        people.add(connection, name, PUPIL, OFFICE, password=HASH)


def write(engine: Engine, folder: Path, places: tuple[Place, ...] | None = None) -> None:
    with engine.connect() as connection:
        write_overlay(connection, folder, places)


def test_the_register_arrives_as_it_is(engine: Engine, folder: Path) -> None:
    """People and places of the register and of the settings are in the file, leavers are not."""
    change(engine)
    change(engine, "leaver")
    with engine.begin() as connection:
        people.remove(connection, "leaver", OFFICE)
        people.suspend(connection, "pupil-0417", AT.replace(day=20), OFFICE)
        devices.put(connection, Position(Place("10.4.2.14", "oakwood", "lab2-14")), OFFICE)
        expected = people.get(connection, "pupil-0417").person
    write(engine, folder, SETTINGS)
    directory = read_overlay(folder / FILE_NAME).directory
    assert dict(directory.people) == {"pupil-0417": expected}
    place = directory.place("10.4.2.14")
    assert place is not None
    assert (place.device, place.band) == ("lab2-14", "ks2")


def test_only_the_gateway_reads_it(engine: Engine, folder: Path) -> None:
    """It holds password hashes: folder and file are the owner's alone, and no draft is left behind."""
    change(engine)
    write(engine, folder)
    assert stat.S_IMODE((folder / FILE_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == ["overlay.lock", FILE_NAME]


def test_a_command_keeps_the_places_the_gateway_loaded(engine: Engine, folder: Path) -> None:
    """Written by a command that knows no settings, the settings' places stay; written with others, they change."""
    write(engine, folder, SETTINGS)
    change(engine)
    write(engine, folder)
    overlay = read_overlay(folder / FILE_NAME)
    assert overlay.settings_places == SETTINGS
    assert overlay.directory.person("pupil-0417") is not None
    write(engine, folder, ())
    assert read_overlay(folder / FILE_NAME).directory.place("10.4.1.1") is None


def test_a_damaged_file_is_replaced(engine: Engine, folder: Path) -> None:
    """The next write puts a good file in place, whatever lay there."""
    change(engine)
    write(engine, folder)
    (folder / FILE_NAME).write_bytes(b"nonsense")
    with pytest.raises(OverlayError):
        read_overlay(folder / FILE_NAME)
    write(engine, folder)
    assert read_overlay(folder / FILE_NAME).number == 1


def test_the_newest_state_wins(engine: Engine, folder: Path) -> None:
    """Two writers and a reader at once: the reader only ever sees whole files, and the number never falls."""
    write(engine, folder)
    wrong: list[BaseException] = []
    seen: list[int] = []
    done = threading.Event()

    def clerk(who: str) -> None:
        try:
            for number in range(8):
                change(engine, f"{who}-{number}")
                write(engine, folder)
        except BaseException as error:
            wrong.append(error)

    def worker() -> None:
        try:
            while not done.is_set():
                seen.append(read_overlay(folder / FILE_NAME).number)
        except BaseException as error:
            wrong.append(error)

    reader = threading.Thread(target=worker)
    clerks = [threading.Thread(target=clerk, args=(who,)) for who in ("office", "head")]
    reader.start()
    for thread in clerks:
        thread.start()
    for thread in clerks:
        thread.join()
    done.set()
    reader.join()
    assert wrong == []
    assert seen == sorted(seen)
    assert len(read_overlay(folder / FILE_NAME).directory.people) == 16


def test_a_leaver_is_refused_on_the_open_connection(engine: Engine, store: Path, folder: Path) -> None:
    """From the office's decision to the refusal of the next request, through the file, on one connection (B-21)."""
    writer = OverlayWriter(store, folder)
    watch = OverlayWatch(folder / FILE_NAME)
    change(engine)
    writer.write_if_changed()
    assert watch.changed()
    before = read_overlay(folder / FILE_NAME).directory
    evidence = Evidence("10.4.1.7", "Basic " + base64.b64encode(f"pupil-0417:{WORDS}".encode()).decode())
    session = signed_in(evidence, before, checked=True, at=AT)
    assert session is not None
    assert resolve_session("10.4.1.7", session, before, AT).refused is None
    with engine.begin() as connection:
        people.remove(connection, "pupil-0417", OFFICE)
    writer.write_if_changed()
    assert watch.changed()
    identity = resolve_session("10.4.1.7", session, read_overlay(folder / FILE_NAME).directory, AT)
    assert (identity.user, identity.refused) == ("pupil-0417", "disabled")
