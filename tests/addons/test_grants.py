"""Who has gone on after a warning: kept across workers and restarts, for as long as said and no longer."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from addons.grants import Grants
from addons.proceed import GRANT_LIFE, Scope
from policy.client import Client

NOW = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
SECRET = b"k" * 32
PUPIL = Client(address="10.4.2.17", user="pupil-0417")
SCOPE = Scope("games.example", "think-before-games")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "grants"


def test_it_holds_until_its_end_and_not_a_moment_longer(folder: Path) -> None:
    grants = Grants(folder, SECRET)
    assert not grants.holds(PUPIL, SCOPE, NOW)
    assert grants.grant(PUPIL, SCOPE, NOW) == NOW + GRANT_LIFE
    assert grants.holds(PUPIL, SCOPE, NOW)
    assert grants.holds(PUPIL, SCOPE, NOW + GRANT_LIFE - timedelta(seconds=1))
    assert not grants.holds(PUPIL, SCOPE, NOW + GRANT_LIFE)


@pytest.mark.parametrize(
    ("client", "scope"),
    [
        (Client(address="10.4.2.17", user="pupil-0418"), SCOPE),
        (Client(address="10.4.2.17"), SCOPE),
        (Client(address="10.4.2.18", user="pupil-0417"), SCOPE),
        (PUPIL, Scope("shop.example", "think-before-games")),
        (PUPIL, Scope("games.example", "another-rule")),
    ],
)
def test_it_holds_for_nobody_and_nothing_else(folder: Path, client: Client, scope: Scope) -> None:
    grants = Grants(folder, SECRET)
    grants.grant(PUPIL, SCOPE, NOW)
    assert not grants.holds(client, scope, NOW)


def test_another_worker_and_the_next_start_know_it_at_once(folder: Path) -> None:
    before = Grants(folder, SECRET)
    other = Grants(folder, SECRET)
    before.grant(PUPIL, SCOPE, NOW)
    assert other.holds(PUPIL, SCOPE, NOW)
    asked = (
        "import sys; from datetime import datetime; from pathlib import Path; from addons.grants import Grants;"
        "from addons.proceed import Scope; from policy.client import Client;"
        "print(Grants(Path(sys.argv[1]), b'k' * 32).holds(Client(address='10.4.2.17', user='pupil-0417'),"
        " Scope('games.example', 'think-before-games'), datetime.fromisoformat(sys.argv[2])))"
    )
    told = subprocess.run([sys.executable, "-c", asked, folder, NOW.isoformat()], capture_output=True, text=True)
    assert told.stdout.strip() == "True", told.stderr


def test_pressing_again_starts_the_time_again(folder: Path) -> None:
    grants = Grants(folder, SECRET)
    grants.grant(PUPIL, SCOPE, NOW)
    later = NOW + timedelta(minutes=20)
    grants.grant(PUPIL, SCOPE, later)
    assert grants.holds(PUPIL, SCOPE, later + timedelta(minutes=29))
    assert len(list(folder.iterdir())) == 1


def test_the_folder_tells_nobodys_browsing(folder: Path) -> None:
    """Names are keyed digests, files are empty, others may not even look."""
    Grants(folder, SECRET).grant(PUPIL, SCOPE, NOW)
    assert folder.stat().st_mode & 0o777 == 0o700
    (file,) = folder.iterdir()
    assert (file.stat().st_size, file.stat().st_mode & 0o777) == (0, 0o600)
    assert "games" not in file.name
    assert not Grants(folder, b"o" * 32).holds(PUPIL, SCOPE, NOW)


def test_an_end_that_no_grant_can_have_does_not_hold(folder: Path) -> None:
    """A file somebody touched, or a clock that was wrong, warns again."""
    grants = Grants(folder, SECRET)
    grants.grant(PUPIL, SCOPE, NOW)
    (file,) = folder.iterdir()
    os.utime(file, (4102444800, 4102444800))
    assert not grants.holds(PUPIL, SCOPE, NOW)


def test_what_has_ended_is_cleared_away_and_what_holds_stays(folder: Path) -> None:
    grants = Grants(folder, SECRET)
    for number in range(5):
        grants.grant(Client(address=f"10.4.2.{number}"), SCOPE, NOW)
    grants.grant(PUPIL, SCOPE, NOW + timedelta(minutes=15))
    assert grants.sweep(NOW + GRANT_LIFE) == 5
    assert grants.holds(PUPIL, SCOPE, NOW + GRANT_LIFE)


def test_granting_clears_away_now_and_then(folder: Path) -> None:
    grants = Grants(folder, SECRET)
    for number in range(5):
        grants.grant(Client(address=f"10.4.2.{number}"), SCOPE, NOW)
    grants.grant(PUPIL, SCOPE, NOW + GRANT_LIFE)
    assert len(list(folder.iterdir())) == 1


def test_a_folder_that_went_away_warns_again(folder: Path) -> None:
    grants = Grants(folder, SECRET)
    grants.grant(PUPIL, SCOPE, NOW)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert not grants.holds(PUPIL, SCOPE, NOW)
    with pytest.raises(OSError, match="No such file"):
        grants.grant(PUPIL, SCOPE, NOW)


def test_many_workers_granting_and_clearing_at_once_lose_nothing(folder: Path) -> None:
    at = datetime.now(UTC)
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            grants = Grants(folder, SECRET)
            for number in range(50):
                client = Client(address=f"10.{worker}.2.{number}")
                grants.grant(client, SCOPE, at)
                grants.sweep(at)
                if not grants.holds(client, SCOPE, at):
                    raise RuntimeError(f"lost {client}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(list(folder.iterdir())) == 200
