"""A real browser on a managed device: what pupils and teachers see. Screenshots go to `artifacts/screens`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.conftest import REPOSITORY
from tests.rig.certificates import Authority
from tests.rig.chromium import chromium
from tests.rig.gateway import Gateway
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
SCREENS = REPOSITORY / "artifacts" / "screens"
LAPTOP = {"network": "127.0.0.1", "site": "oakwood", "device": "oak-y4-laptop-01", "band": "ks2", "groups": ["year-4"]}
_shots = itertools.count(1)


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory, origin: Origin, authority: Authority) -> Iterator[Gateway]:
    """A gateway for which this very machine is a Year 4 laptop."""
    gateway = Gateway(
        tmp_path_factory.mktemp("classroom"),
        origin=origin.address,
        trust=authority.pem,
        settings={"identity": {"places": [LAPTOP]}},
    )
    try:
        yield gateway.start()
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture(scope="module")
def browser(classroom: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Chromium on that laptop, set up by its administrator."""
    with chromium(classroom, tmp_path_factory.mktemp("home")) as browser:
        yield browser


def shot(browser: Chrome, what: str) -> Path:
    """Keep a picture of what is on screen."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    file = SCREENS / f"{next(_shots):02}-{what}.png"
    assert browser.save_screenshot(str(file))
    return file


def text(browser: Chrome) -> str:
    """What a person reads."""
    return browser.find_element(By.TAG_NAME, "body").text


def test_an_allowed_page_opens_without_a_warning(browser: Chrome, classroom: Gateway, name: str) -> None:
    browser.get(f"https://{name}/page?title=Fractions")
    assert browser.title == "Fractions"
    assert "origin content" in text(browser)
    assert browser.execute_script("return window.isSecureContext") is True
    rows = classroom.wait_for_rows(1, host=name, path="/page")
    assert (rows[0]["page"], rows[0]["title"], rows[0]["device"]) == (True, "Fractions", "oak-y4-laptop-01")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_block_page_is_a_page_not_a_browser_error(browser: Chrome, classroom: Gateway, scheme: str) -> None:
    browser.get(f"{scheme}://blocked.example/game")
    shot(browser, f"blocked-{scheme}")
    assert "not in trouble" in text(browser)
    assert browser.execute_script("return document.contentType") == "text/html"
    assert not classroom.output.count("Traceback")


def test_the_block_page_needs_nothing_from_outside(browser: Chrome) -> None:
    """No script of others, no font, no picture from another host."""
    browser.get("https://blocked.example/")
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(r => r.name)")
    assert [url for url in loaded if "blocked.example" not in url and not url.startswith("data:")] == []
    sources = browser.execute_script(
        "return [...document.querySelectorAll('[src],link[href]')].map(e => e.src || e.href)"
    )
    assert [url for url in sources if not url.startswith(("data:", "https://blocked.example"))] == []


def test_games_are_closed_on_the_year_4_laptop(browser: Chrome, classroom: Gateway) -> None:
    browser.get("https://www.roblox.com/discover")
    shot(browser, "blocked-games")
    assert "games" in text(browser)
    rows = wait_for(lambda: classroom.rows(host="www.roblox.com", path="/discover"), "its row")
    assert (rows[0]["category"], rows[0]["blocked"], rows[0]["page"]) == ("games", True, True)


def test_the_warning_is_read_and_gone_past(browser: Chrome, origin: Origin) -> None:
    url = "https://warn.example/page?title=Beyond"
    browser.get(url)
    shot(browser, "warning")
    assert "Stop and think" in text(browser)
    browser.find_element(By.CSS_SELECTOR, "form[method=post] button, form[method=post] input[type=submit]").click()
    wait_for(lambda: browser.title == "Beyond", "the page behind the warning")
    assert browser.current_url == url
    shot(browser, "after-the-warning")
    assert not browser.get_cookies()


def test_a_blocked_frame_and_picture_do_not_spoil_an_allowed_page(browser: Chrome, name: str) -> None:
    browser.get(f"https://{name}/with-parts?part=blocked.example")
    assert "lesson text" in text(browser)
    width = browser.execute_script("return document.querySelector('img').naturalWidth")
    assert width <= 1
    shot(browser, "page-with-blocked-parts")


def test_a_script_that_asks_for_a_closed_page_gets_json(browser: Chrome) -> None:
    browser.get("https://mixed.example/open")
    answer = browser.execute_async_script(
        "const done = arguments[0];"
        "fetch('/closed', {headers: {Accept: 'application/json'}})"
        ".then(async r => done([r.status, r.headers.get('content-type'), await r.json()]), e => done(String(e)))"
    )
    assert answer[0] == 403
    assert answer[1].startswith("application/json")
    assert isinstance(answer[2], dict)


def test_a_certificate_nobody_vouches_for_gets_our_page(browser: Chrome) -> None:
    browser.get("https://expired.bad.example/")
    shot(browser, "bad-certificate")
    assert "not sure it is the right page" in text(browser)


def test_a_websocket_opens_in_the_browser(browser: Chrome, name: str) -> None:
    browser.get(f"https://{name}/page")
    echoed = browser.execute_async_script(
        "const done = arguments[0]; const s = new WebSocket(`wss://${location.host}/websocket`);"
        "s.onopen = () => s.send('hello'); s.onmessage = e => { done(e.data); s.close(); };"
        "s.onerror = () => done('error');"
    )
    assert echoed == "hello"


def test_a_device_nobody_set_up_sees_its_own_warning_and_leaves_a_row(
    classroom: Gateway, tmp_path: Path, name: str
) -> None:
    """Without our CA the browser refuses; the row lets a technician find the device."""
    with chromium(classroom, tmp_path / "home", trusting=False) as stranger:
        try:
            stranger.get(f"https://{name}/page")
            page = stranger.page_source
        except WebDriverException as error:
            page = str(error)
        assert "origin content" not in page
    rows = wait_for(lambda: classroom.rows(host=name, ending="tls-refused"), "the row of the refusal")
    assert rows[0]["blocked"] is False
