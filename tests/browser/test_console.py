"""The console in a real browser, over a real gateway: from the first link to a page that opens for a class and closes.

Pictures of every page, light, dark and on a phone, go to `artifacts/console`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from tests.browser.console_screen import LOOKS, faults, look_as, picture, text
from tests.rig.chromium import chromium
from tests.rig.clients import Browser
from tests.rig.gateway import YEAR_4, Gateway
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(600)]
PASSWORD = "otter kite lamp seven"
GAME = "https://games.schoolgate.test/page?title=A+game"


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, origin: object, authority: object) -> Iterator[Gateway]:
    """A gateway with its console, and some browsing of Year 4."""
    folder = tmp_path_factory.mktemp("school")
    gateway = Gateway(folder, origin=origin.address, trust=authority.pem, settings={"console": {"enabled": True}})  # type: ignore[attr-defined]
    try:
        gateway.start()
        with Browser(gateway, source=YEAR_4) as pupil:
            for number in range(6):
                pupil.fetch(f"https://lesson-{number}.example/page?title=Lesson+{number}")
            pupil.fetch("https://blocked.example/page")
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture(scope="module")
def browser(school: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A technician's browser on the gateway itself."""
    with chromium(school, tmp_path_factory.mktemp("home"), proxied=False) as browser:
        browser.set_window_size(1280, 900)
        yield browser


def here(school: Gateway, path: str) -> str:
    return f"http://127.0.0.1:{school.console_port}{path}"


def press(browser: Chrome, word: str) -> None:
    """Click a button or link by its words."""
    browser.find_element(By.XPATH, f"//main//*[self::a or self::button][contains(normalize-space(), '{word}')]").click()


def fill(browser: Chrome, name: str, words: str) -> None:
    field = browser.find_element(By.NAME, name)
    field.clear()
    field.send_keys(words)


def test_1_the_first_link_makes_the_first_account(school: Gateway, browser: Chrome) -> None:
    """There is no default password: the gateway printed a link."""
    found = wait_for(lambda: re.search(r"within the hour: (http://\S+)", school.output), "the link", seconds=60)
    browser.get(found[1])
    assert faults(browser) == []
    picture(browser, "first", "light")
    for name, words in (("name", "dana"), ("password", PASSWORD), ("again", PASSWORD)):
        fill(browser, name, words)
    press(browser, "Make the account")
    wait_for(lambda: "ICT services in the trust" in text(browser), "the account")
    browser.get(found[1])
    assert "does not work" in text(browser)


def test_2_from_a_blocked_row_to_a_page_that_opens_for_the_class_and_closes_by_itself(
    school: Gateway, browser: Chrome
) -> None:
    """Sign in → log → allow for the class until a time → the pupil's next request passes → it ends → the trail."""
    with Browser(school, source=YEAR_4) as pupil:
        assert pupil.fetch(GAME).status == 403
        school.wait_for_rows(1, host="games.schoolgate.test")
        browser.get(here(school, "/sign-out"))
        press(browser, "Sign out")
        wait_for(lambda: browser.find_elements(By.NAME, "password"), "the form to sign in")
        fill(browser, "name", "dana")
        fill(browser, "password", PASSWORD)
        browser.find_element(By.NAME, "password").send_keys(Keys.ENTER)
        wait_for(lambda: "/sign-in" not in browser.current_url, "to be let in")
        browser.get(here(school, "/log"))
        find = browser.find_element(By.NAME, "q")
        find.send_keys("games.schoolgate.test", Keys.ENTER)
        wait_for(lambda: "below" in text(browser), "the search")
        assert "pages to games.schoolgate.test and below since" in text(browser)
        press(browser, "Allow…")
        wait_for(lambda: browser.find_elements(By.NAME, "until"), "the form to decide")
        assert browser.find_element(By.NAME, "what").get_attribute("value") == "games.schoolgate.test"
        assert Select(browser.find_element(By.NAME, "group")).first_selected_option.text == "year-4"
        until = datetime.now(UTC) + timedelta(seconds=20)
        fill(browser, "until", until.isoformat(timespec="seconds"))
        fill(browser, "why", "the coding club shows a game")
        browser.find_element(By.CSS_SELECTOR, "form[action='/decide'] button.main").click()
        said = wait_for(lambda: text(browser) if "in force on all 1 workers" in text(browser) else "", "the answer")
        assert "ALLOWED for" in said
        assert "THAT REQUEST" in said.upper()
        assert pupil.fetch(GAME).status == 200
        wait_for(lambda: pupil.fetch(GAME).status == 403, "the end of the lesson", seconds=60)
        assert datetime.now(UTC) >= until - timedelta(seconds=1)

    def told() -> bool:
        browser.get(here(school, "/audit"))
        trail = text(browser)
        words = ("override.add", "override.end", "its time is over", "the coding club shows a game", "signed in")
        return all(word in trail for word in words)

    wait_for(told, "the trail to say it all", seconds=20)


def test_3_live_rows_come_by_themselves(school: Gateway, browser: Chrome, name: str) -> None:
    browser.get(here(school, "/log"))
    browser.execute_script("window.scrollTo(0, 0)")
    switch = browser.find_element(By.ID, "live")
    switch.click()
    wait_for(lambda: switch.get_attribute("aria-pressed") == "true", "live to be on")
    deadline = time.monotonic() + 60
    with Browser(school, source=YEAR_4) as pupil:
        while name not in text(browser):
            assert time.monotonic() < deadline, "the row does not come"
            pupil.fetch(f"https://{name}/page?title=Now")
            browser.find_element(By.TAG_NAME, "h1").click()
    assert "new" in browser.find_element(By.CSS_SELECTOR, "tr.since").text
    switch.click()


def test_4_the_histogram_is_dragged_to_zoom(school: Gateway, browser: Chrome) -> None:
    """And the address says the time, so that it can be sent to a colleague."""
    browser.get(here(school, "/log?since=1h"))
    drawing = browser.find_element(By.CSS_SELECTOR, "svg.histogram")
    width = drawing.size["width"]
    actions = ActionChains(browser).move_to_element_with_offset(drawing, -width // 4, 10)
    actions.click_and_hold().move_by_offset(width // 4, 0).release().perform()
    wait_for(lambda: "until=" in browser.current_url, "the zoom")
    assert "since=" in browser.current_url
    assert "since 1h" not in browser.current_url


def test_5_the_commonest_jobs_with_the_keyboard_alone(school: Gateway, browser: Chrome) -> None:
    """Skip link, find, move along rows, open one; and every step shows where the focus is."""
    browser.get(here(school, "/log?since=all"))
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "Skip to the page"
    body.send_keys("/")
    find = browser.switch_to.active_element
    assert find.get_attribute("name") == "q"
    find.send_keys("lesson-3.example", Keys.ENTER)
    wait_for(lambda: "domain=lesson-3.example" in browser.current_url, "the search")
    browser.find_element(By.TAG_NAME, "body").send_keys("j", Keys.ENTER)
    wait_for(lambda: re.search(r"/log/\d+$", browser.current_url), "the row")
    assert "lesson-3.example/page" in text(browser)
    outline = browser.execute_script(
        "const link = document.querySelector('main a'); link.focus({focusVisible: true});"
        "return getComputedStyle(link).outlineStyle"
    )
    assert outline == "solid"


def pages(school: Gateway) -> dict[str, str]:
    """Every page, by the name of its picture."""
    rows = school.rows(host="games.schoolgate.test")
    row = next(one for one in rows if one["blocked"])["id"]
    return {
        "dashboard": "/dashboard",
        "log": "/log",
        "log-blocked": "/log?since=all&blocked=yes&parts=yes",
        "log-empty": "/log?host=nowhere.example",
        "log-row": f"/log/{row}",
        "log-history": f"/log/{row}?history=yes",
        "requests": "/requests",
        "log-export": "/log/export?since=all",
        "log-views": "/log/views",
        "why": "/why",
        "why-answer": f"/why?row={row}",
        "decide": f"/decide?row={row}&action=allow",
        "decide-locked": "/decide?action=allow&what=category:child-abuse",
        "decisions": "/decisions?all=yes",
        "decision": f"/decisions/1?row={row}",
        "audit": "/audit",
        "accounts": "/accounts",
        "account": "/accounts/1",
        "tokens": "/tokens",
        "me": "/me",
        "reason": "/reason?user=pupil-0417&next=/log",
        "openapi": "/openapi",
        "nothing": "/no-such-page",
    }


@pytest.mark.parametrize("look", LOOKS)
def test_6_every_page_can_be_read_and_is_kept_as_a_picture(school: Gateway, browser: Chrome, look: str) -> None:
    """No page shuts anybody out: labels, names, headings, contrast, targets, no sideways scrolling."""
    found: dict[str, list[str]] = {}
    browser.get(here(school, "/reason?user=oak-y4-laptop-10"))
    fill(browser, "why", "the pictures of this test")
    press(browser, "Look")
    browser.get_log("browser")
    try:
        for name, path in pages(school).items():
            look_as(browser, look)
            browser.get(here(school, path))
            if wrong := faults(browser):
                found[f"{name} {path}"] = wrong
            picture(browser, name, look)
            logs = [one["message"] for one in browser.get_log("browser") if "favicon" not in one["message"]]
            if name != "nothing" and logs:
                found[f"{name} console"] = logs
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert found == {}
