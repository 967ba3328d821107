"""The record cannot be written: what pupils, staff and ICT services see; what was recorded before stays (A-13).

Shows: `logstore.disk`.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from logstore.encoding import EventKind, decode_open, decode_write
from logstore.reading import SpoolReader
from tests.rig.clients import Browser
from tests.rig.disks import break_disk, breakable_disk, fill_disk, mend_disk, small_disk
from tests.rig.gateway import TEACHER, YEAR_4, Gateway
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
LIMIT = 20 * 1024 * 1024


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 96 MB for the gateway's data."""
    with small_disk(tmp_path / "disk", 96) as disk:
        yield disk


@pytest.fixture
def breaking_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 MB for the gateway's data that can be broken."""
    with breakable_disk(tmp_path / "disk", 128) as disk:
        yield disk


def on_disk(gateway: Gateway, disk: Path) -> Gateway:
    """Put the gateway's data on that disk."""
    (disk / "data").mkdir(mode=0o700)
    gateway.data.symlink_to(disk / "data")
    return gateway


class Asking:
    """A Year 4 laptop and a staff-room machine that ask for one unique page after another."""

    def __init__(self, gateway: Gateway, host: str) -> None:
        self.gateway, self.host = gateway, host
        self.number = 0
        self.delivered: dict[str, set[str]] = {YEAR_4: set(), TEACHER: set()}

    def ask(self, source: str, path: str = "/page") -> int:
        """One page; the status."""
        self.number += 1
        query = f"u={self.number}"
        with Browser(self.gateway, source=source) as browser:
            status = browser.fetch(f"http://{self.host}{path}?{query}").status
        if status == 200:
            self.delivered[source].add(query)
        return status

    def ask_until(self, source: str, status: int, most: int = 400) -> None:
        """Ask until the answer is `status`."""
        for _ in range(most):
            if self.ask(source, "/" + "x" * 1500) == status:
                return
        raise AssertionError(f"{most} requests and none was answered with {status}")


def metric(gateway: Gateway, name: str, what: str) -> float:
    """One of the counters of what could not be recorded; 0 when it is not there."""
    found = re.findall(rf'^{name}{{what="{what}"}} (\S+)$', gateway.metrics(), re.MULTILINE)
    return sum(map(float, found))


def level(gateway: Gateway) -> str:
    """The spool's level, as Prometheus sees it."""
    found = re.findall(r'^schoolgate_spool_level\{level="(\w+)"\} 1\.0$', gateway.metrics(), re.MULTILINE)
    return found[0] if len(found) == 1 else str(found)


def check_rows(gateway: Gateway, host: str, delivered: set[str]) -> None:
    """One row for each, none twice."""

    def rows() -> list[str]:
        return [row["query"] for row in gateway.rows(host=host) if row["status"] == 200]

    wait_for(lambda: delivered <= set(rows()), f"rows of all {len(delivered)} delivered answers", seconds=60, every=0.5)
    found = rows()
    assert len(found) == len(set(found))


def test_a_full_disk_closes_pages_for_pupils_and_leaves_staff_online(
    make_gateway: Callable[..., Gateway], full_disk: Path, name: str
) -> None:
    """The ballast buys time, then pupils read why; staff go on and are counted; room heals it; no row is missing."""
    gateway = on_disk(make_gateway({"spool": {"max_bytes": LIMIT}}), full_disk).start()
    asking = Asking(gateway, name)
    assert (asking.ask(YEAR_4), asking.ask(TEACHER)) == (200, 200)
    check_rows(gateway, name, asking.delivered[YEAR_4] | asking.delivered[TEACHER])
    workers = gateway.pids("worker")

    hog = fill_disk(full_disk)
    asking.ask_until(YEAR_4, 503, most=2000)
    kept = {who: set(queries) for who, queries in asking.delivered.items()}
    assert not (gateway.data / "spool" / "ballast").exists()
    with Browser(gateway, source=YEAR_4) as browser:
        long = f"http://{name}/{'x' * 1500}?u=page-"
        pages = (browser.fetch(f"{long}{number}") for number in range(200))
        page = next(page for page in pages if page.status == 503)
    assert page.headers["x-schoolgate-reason"] == "record"
    assert "The internet is resting" in page.text
    for _ in range(200):  # what the disk gives back now and then is room for a record
        assert asking.ask(TEACHER, "/" + "x" * 1500) == 200
        if metric(gateway, "schoolgate_unrecorded_total", "passed"):
            break
    assert metric(gateway, "schoolgate_unrecorded_total", "passed") > 0
    assert metric(gateway, "schoolgate_unrecorded_total", "refused") > 0
    wait_for(lambda: level(gateway) == "full", "the level to be told", seconds=15)
    assert gateway.pids("worker") == workers, "a full disk must not end a worker"

    hog.unlink()
    wait_for(lambda: asking.ask(YEAR_4) == 200, "pupils to be online again", seconds=30, every=0.5)
    wait_for(lambda: level(gateway) == "ok", "the level to be told", seconds=30)
    kept[YEAR_4] |= asking.delivered[YEAR_4]
    check_rows(gateway, name, kept[YEAR_4])
    assert gateway.stop() == 0


def test_a_disk_that_breaks_loses_nothing_it_had(
    make_gateway: Callable[..., Gateway], breaking_disk: Path, name: str
) -> None:
    """Read-only under the running gateway: pupils closed, staff online; mended and started, every row is there."""
    gateway = on_disk(make_gateway(), breaking_disk).start()
    asking = Asking(gateway, name)
    for _ in range(20):
        assert (asking.ask(YEAR_4), asking.ask(TEACHER)) == (200, 200)
    check_rows(gateway, name, asking.delivered[YEAR_4])
    wait_for(lambda: spool_is_empty(gateway), "everything to be in the store", seconds=30)
    workers = gateway.pids("worker")
    recorded = {query for queries in asking.delivered.values() for query in queries}

    break_disk(breaking_disk)
    asking.ask_until(YEAR_4, 503)
    asking.ask_until(TEACHER, 200)
    assert level(gateway) == "full", "ICT services see it"
    assert gateway.pids("worker") == workers, "a broken disk must not end a worker"
    gateway.kill(gateway.family())

    mend_disk(breaking_disk)
    gateway.start()
    assert wait_for(lambda: asking.ask(YEAR_4) == 200, "pupils to be online again", seconds=30, every=0.5)
    check_rows(gateway, name, recorded)
    assert gateway.stop() == 0


@pytest.mark.parametrize(("choice", "pupil", "teacher"), [("block-all", 503, 503), ("count", 200, 200)])
def test_the_schools_other_choices(
    make_gateway: Callable[..., Gateway], full_disk: Path, name: str, choice: str, pupil: int, teacher: int
) -> None:
    """Everybody is stopped, or everybody goes on and is counted."""
    gateway = on_disk(make_gateway({"spool": {"max_bytes": LIMIT, "when_full": choice}}), full_disk).start()
    asking = Asking(gateway, name)
    assert asking.ask(TEACHER) == 200
    fill_disk(full_disk)
    what = "refused" if pupil == 503 else "passed"
    for _ in range(2000):
        asking.ask(YEAR_4, "/" + "x" * 1500)
        if metric(gateway, "schoolgate_unrecorded_total", what):
            break
    asking.ask_until(YEAR_4, pupil)
    asking.ask_until(TEACHER, teacher)


def test_the_spools_own_limit_warns_before_it_closes(
    make_gateway: Callable[..., Gateway], tmp_path: Path, name: str
) -> None:
    """The store stands still: ok, warn at 70 %, alert at 85 %, full; then it drains, and every page has its row."""
    gateway = make_gateway({"spool": {"max_bytes": 2 * 1024 * 1024}}).start()
    asking = Asking(gateway, name)
    (pid,) = wait_for(lambda: gateway.pids("shipper"), "the shipper")
    shipper = psutil.Process(pid)
    shipper.suspend()
    seen: list[str] = []
    try:
        for _ in range(3000):
            if asking.ask(YEAR_4, "/" + "x" * 1800) == 503:
                break
            if (now := level(gateway)) not in seen:
                seen.append(now)
        wait_for(lambda: level(gateway) == "full", "the level to be told", seconds=15)
        told = json.loads(gateway.command("log", "spool", "--json").stdout)
    finally:
        shipper.resume()
    assert seen[:3] == ["ok", "warn", "alert"]
    assert told["level"] == "full"
    wait_for(lambda: asking.ask(YEAR_4) == 200, "pupils to be online again", seconds=60, every=0.5)
    check_rows(gateway, name, asking.delivered[YEAR_4])
    assert level(gateway) == "ok"
    assert gateway.stop() == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_strict_holds_an_answer_until_its_record_is_on_the_disk(
    make_gateway: Callable[..., Gateway], breaking_disk: Path, tmp_path: Path, name: str, scheme: str
) -> None:
    """The power goes the moment a page arrives: of every page that arrived, the disk has the record.

    What is on the disk is its image, copied at that moment: what the kernel had not yet written is not in it.
    """
    gateway = on_disk(make_gateway({"spool": {"strict": True}}), breaking_disk).start()
    (pid,) = wait_for(lambda: gateway.pids("shipper"), "the shipper")
    psutil.Process(pid).suspend()
    images = []
    with Browser(gateway, source=YEAR_4) as browser:
        for number in range(5):
            assert browser.fetch(f"{scheme}://{name}/page?u={number}").status == 200
            images.append(copy_of(breaking_disk, tmp_path / f"{number}.img"))
        assert browser.fetch("http://blocked.example/page?u=blocked").status == 403
        images.append(copy_of(breaking_disk, tmp_path / "blocked.img"))
    psutil.Process(pid).resume()
    assert gateway.stop() == 0
    for number, image in enumerate(images):
        with image_mounted(image, tmp_path / "image") as disk:
            on_it = {query for query, _ in spooled(disk / "data" / "spool")}
        wanted = {f"u={one}" for one in range(min(number + 1, 5))} | ({"u=blocked"} if number == 5 else set())
        assert wanted <= on_it


def spool_is_empty(gateway: Gateway) -> bool:
    """Whether the store has everything."""
    told = json.loads(gateway.command("log", "spool", "--json").stdout)
    return not any(producer["waiting"] for producer in told["producers"])


def copy_of(disk: Path, target: Path) -> Path:
    """What is on the disk now."""
    subprocess.run(["cp", "--sparse=always", str(disk.with_name(f"{disk.name}.img")), str(target)], check=True)
    return target


@contextlib.contextmanager
def image_mounted(image: Path, folder: Path) -> Iterator[Path]:
    """What a machine finds after the power is back: the journal is replayed."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def spooled(folder: Path) -> list[tuple[str | None, int]]:
    """Query and id of every record in a spool folder."""
    reader = SpoolReader(folder)
    found = []
    for producer in reader.producers():
        for event in reader.read(producer, 10**6):
            if event.kind in (EventKind.OPEN, EventKind.CARRY):
                record = decode_open(event.payload)
            elif event.kind == EventKind.WRITE:
                record, _ = decode_write(event.payload)
            else:
                continue
            found.append((record.query, record.id))
    return found
