"""Rotating the CA: a next one beside it, put in force, the old one kept and dropped; broken off in the middle."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from proxy.ca import CaError, create_ca, load_ca
from proxy.carotate import beside, drop, next_name, put_in_place, room_for_next
from proxy.commands import ca
from proxy.metrics import Facts, GatewayCollector
from proxy.settings import Settings

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_ca(tmp_path / "ca", name="Hillview filter", at=NOW)
    return tmp_path / "ca"


def made_next(folder: Path) -> str:
    return create_ca(room_for_next(folder), name=next_name(folder, NOW), at=NOW).fingerprint


def in_force(folder: Path) -> str:
    return load_ca(folder, at=NOW).fingerprint


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_next_waits_comes_into_force_and_can_go_back(folder: Path) -> None:
    """Each step changes what it says and nothing else; keys stay 0600 in 0700 folders."""
    first = in_force(folder)
    second = made_next(folder)
    assert (in_force(folder), [*beside(folder)]) == (first, ["next"])
    assert "Hillview filter 2026-11-21" in load_ca(folder / "next", at=NOW).subject
    assert put_in_place(folder, "next", at=NOW, passphrase=None).fingerprint == second
    assert ([*beside(folder)], load_ca(folder / "old", at=NOW).fingerprint) == (["old"], first)
    assert (folder / "old").stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.rglob("ca.pem")} == {0o600}
    assert put_in_place(folder, "old", at=NOW, passphrase=None).fingerprint == first
    assert put_in_place(folder, "next", at=NOW, passphrase=None).fingerprint == second
    drop(folder, "old")
    assert sorted(file.name for file in folder.iterdir()) == ["ca-cert.pem", "ca.pem"]
    assert next_name(folder, NOW + timedelta(days=400)) == "Hillview filter 2027-12-26"


def test_what_would_lose_a_ca_is_refused_and_nothing_changes(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CaError, match="no CA to rotate"):
        room_for_next(tmp_path / "none")
    for step in ("next", "old"):
        with pytest.raises(CaError, match=f"there is no {step} CA"):
            put_in_place(folder, step, at=NOW, passphrase=None)
        with pytest.raises(CaError, match=f"there is no {step} CA"):
            drop(folder, step)
    made_next(folder)
    put_in_place(folder, "next", at=NOW, passphrase=None)
    made_next(folder)
    before = contents(folder)
    with pytest.raises(CaError, match="a next CA waits already"):
        room_for_next(folder)
    with pytest.raises(CaError, match="rotate --drop old"):
        put_in_place(folder, "next", at=NOW, passphrase=None)
    with pytest.raises(CaError, match="rotate --drop next"):
        put_in_place(folder, "old", at=NOW, passphrase=None)
    assert contents(folder) == before


def test_a_next_ca_that_cannot_be_used_stays_out(folder: Path) -> None:
    """Expired while it waited, or readable by others: the one in force goes on."""
    first, _ = in_force(folder), made_next(folder)
    with pytest.raises(CaError, match="expired"):
        put_in_place(folder, "next", at=NOW + timedelta(days=2000), passphrase=None)
    (folder / "next" / "ca.pem").chmod(0o640)
    with pytest.raises(CaError, match="others may use it"):
        put_in_place(folder, "next", at=NOW, passphrase=None)
    assert in_force(folder) == first


@pytest.mark.parametrize("broken_after", range(1, 7))
def test_a_switch_that_broke_off_is_ended_by_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch, broken_after: int
) -> None:
    """The power goes at every change of a file in turn: the old CA or the new one is in `ca.pem`, never none."""
    first, second = in_force(folder), made_next(folder)
    done = 0

    def dying(change):
        def change_or_die(*words, **more):
            nonlocal done
            done += 1
            if done == broken_after:
                raise KeyboardInterrupt
            return change(*words, **more)

        return change_or_die

    with monkeypatch.context() as power:
        for name in ("replace", "unlink"):
            power.setattr(Path, name, dying(getattr(Path, name)))
        with pytest.raises(KeyboardInterrupt):
            put_in_place(folder, "next", at=NOW, passphrase=None)
    assert b"PRIVATE KEY" in (folder / "ca.pem").read_bytes()
    if (folder / "next" / "ca.pem").exists():
        put_in_place(folder, "next", at=NOW, passphrase=None)
    assert in_force(folder) == second
    assert load_ca(folder / "old", at=NOW).fingerprint == first


def test_a_rotation_that_stands_still_is_measured(folder: Path) -> None:
    made_next(folder)
    os.utime(folder / "next" / "ca.pem", (1000, 1000))

    def steps() -> dict[str, float]:
        families = {family.name: family for family in GatewayCollector(folder.parent, Facts()).collect()}
        return {item.labels["step"]: item.value for item in families["schoolgate_ca_rotation_seconds"].samples}

    assert steps() == {"next": 1000.0}
    shutil.rmtree(folder / "next")
    assert steps() == {}


def test_a_technician_rotates_where_no_gateway_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Make, export for devices, switch, look, go back, drop: by command, in words and in JSON."""

    def types(*words: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        ca.add(parser.add_subparsers())
        args = parser.parse_args(["ca", *words])
        code = args.handle(args, Settings(data=tmp_path))
        out, err = capsys.readouterr()
        return code, out, err

    assert types("rotate")[0] == 1
    first = json.loads(types("create", "--json")[1])["fingerprint"]
    code, out, err = types("rotate", "--kind", "rsa", "--json")
    second = json.loads(out)
    assert (code, second["kind"]) == (0, "rsa")
    assert "rotate --switch" in err
    exported = tmp_path / "next.pem"
    assert types("export", str(exported), "--which", "next")[0] == 0
    assert exported.read_bytes() == (tmp_path / "ca" / "next" / "ca-cert.pem").read_bytes()
    status = json.loads(types("status", "--json")[1])
    assert (status["fingerprint"], status["next"]["fingerprint"]) == (first, second["fingerprint"])
    code, _, err = types("rotate", "--switch")
    assert code == 0
    assert "no gateway runs" in err
    _, out, _ = types("status")
    assert second["fingerprint"] in out.partition("old ")[0]
    assert first in out.partition("old ")[2]
    assert types("rotate", "--back")[0] == 0
    assert json.loads(types("status", "--json")[1])["fingerprint"] == first
    assert types("rotate", "--drop", "next")[0] == 0
    assert [path.name for path in tmp_path.joinpath("ca").iterdir() if path.is_dir()] == []
