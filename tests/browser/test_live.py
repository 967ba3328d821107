"""The log followed live while 500 rows a second arrive: the page goes on answering, and shows what came."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from console.roles import Role
from logstore.ids import RecordIds
from logstore.store import Store
from tests.browser.axe import patient
from tests.browser.desk import Desk, open_desk
from tests.console.conftest import prepared  # noqa: F401
from tests.console.rig import Console
from tests.logstore.rows import ended, request
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]
RATE, SECONDS = 500, 20
"""Rows a second, and for how long."""
WATCH = """
window.told = {long: 0, worst: 0, frames: 0, waits: [], rows: 0};
new PerformanceObserver((list) => { for (const one of list.getEntries()) {
  told.long += one.duration; told.worst = Math.max(told.worst, one.duration); } }).observe({type: 'longtask'});
const frame = () => { told.frames += 1; requestAnimationFrame(frame); };
requestAnimationFrame(frame);
setInterval(() => { const at = performance.now(); const way = new MessageChannel();
  way.port1.onmessage = () => told.waits.push(performance.now() - at); way.port2.postMessage(0); }, 50);
new MutationObserver((list) => { for (const one of list) for (const row of one.addedNodes)
  told.rows += row.tagName === 'TR' && !row.classList.contains('since'); }
).observe(document.getElementById('rows').tBodies[0], {childList: true});
"""


@pytest.fixture
def desk(prepared: Path, tmp_path: Path) -> Iterator[Desk]:  # noqa: F811
    """A console with a school's day in it, at this very time."""
    with open_desk(Path(shutil.copytree(prepared, tmp_path / "data"))) as desk:
        yield desk


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    with patient(tmp_path / "home") as browser:
        yield browser


def arriving(console: Console, stop: threading.Event) -> int:
    """Store `RATE` rows a second for `SECONDS`, by the console's clock; how many there were."""
    start, began, stored = console.now, time.monotonic(), 0
    ids = RecordIds(7, lambda: int(console.now.timestamp() * 1_000_000))
    with Store(console.data / "store") as store:
        while stored < RATE * SECONDS and not stop.is_set():
            passed = time.monotonic() - began
            console.now = start + timedelta(seconds=passed)
            due = min(RATE * SECONDS, int((passed + 0.25) * RATE)) - stored
            store.append([(request(ids.next(), page=True, path=f"/live/{stored + n}"), ended()) for n in range(due)])
            stored += due
            stop.wait(0.25)
        console.now += timedelta(seconds=1)
    return stored


def test_the_page_answers_while_500_rows_a_second_arrive(desk: Desk, browser: Chrome) -> None:
    desk.sign_in(browser, Role.ICT)
    browser.get(f"{desk.base}/log?since=all")
    browser.execute_script(WATCH)
    browser.execute_script("document.getElementById('live').click()")
    wait_for(lambda: browser.execute_script("return document.getElementById('live').ariaPressed") == "true", "live")
    stop, stored = threading.Event(), []
    writer = threading.Thread(target=lambda: stored.append(arriving(desk.console, stop)))
    began = time.monotonic()
    writer.start()
    try:
        writer.join(timeout=300)
        wait_for(lambda: f"/live/{RATE * SECONDS - 1}" in newest(browser), "the newest row", seconds=120)
    finally:
        stop.set()
        writer.join()
    told: dict[str, Any] = browser.execute_script("return window.told")
    took = time.monotonic() - began
    waits = sorted(told["waits"])
    print(
        f"live: {stored[0]} rows in {took:.0f} s; {told['frames'] / took:.0f} frames/s, long tasks"
        f" {told['long']:.0f} ms in all, worst {told['worst']:.0f} ms; a message waits {waits[len(waits) // 2]:.1f} ms"
        f" (median), {waits[int(len(waits) * 0.99)]:.1f} ms (99 %), {waits[-1]:.0f} ms at most"
    )
    assert stored == [RATE * SECONDS]
    assert told["long"] < 0.2 * took * 1000, "the page is busy for a fifth of the time"
    assert waits[int(len(waits) * 0.95)] < 200, "whoever clicks waits"
    assert browser.execute_script("return document.querySelectorAll('#rows tbody tr').length") <= 301


def newest(browser: Chrome) -> str:
    """The first rows shown."""
    return str(browser.execute_script(
        "return [...document.querySelectorAll('#rows tbody tr')].slice(0, 3).map((one) => one.textContent).join()"
    ))  # fmt: skip
