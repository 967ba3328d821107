"""The policy in a real browser, over a real gateway: drafted, tried, published by a second person, met, undone.

Pictures go to `artifacts/console`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from console.accounts import add
from console.roles import Grant, Role
from logstore.audit import entries
from logstore.db import open_catalog, reading
from registry.change import By as Who
from tests.browser.console_screen import LOOKS, faults, look_as, picture, text
from tests.console.rig import HASH, PASSWORD
from tests.rig.chromium import chromium
from tests.rig.clients import Browser
from tests.rig.gateway import HILLVIEW, Gateway
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(600)]
HOST = "lesson-9.example"
PAGE = f"https://{HOST}/page"
OLDER = [{"network": "127.0.3.0/24", "site": "riverside", "band": "ks4", "groups": ["year-11"]}]


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, origin: Any, authority: Any) -> Iterator[Gateway]:
    """A gateway with its console and three people; a pupil of Year 11 has read some pages."""
    gateway = Gateway(tmp_path_factory.mktemp("policy"), origin=origin.address, trust=authority.pem, policy=None,
                      settings={"console": {"enabled": True}, "identity": {"places": OLDER}})  # fmt: skip
    try:
        gateway.start()
        engine = open_catalog(gateway.data / "store")
        with engine.begin() as connection:
            office = Who("cli:office", datetime.now(UTC), "for the test")
            for name, role in (("tim", Role.TECHNICIAN), ("ines", Role.ICT), ("lee", Role.LEADER)):
                add(connection, name, name, (Grant(0, role),), office, password=HASH)
        engine.dispose()
        with Browser(gateway, source=HILLVIEW) as pupil:
            for number in range(3):
                assert pupil.fetch(f"{PAGE}?title=Lesson+{number}").status == 200
        gateway.wait_for_rows(3, host=HOST)
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()


@pytest.fixture(scope="module")
def browser(school: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(school, tmp_path_factory.mktemp("home"), proxied=False) as browser:
        browser.set_window_size(1280, 900)
        yield browser


def go(school: Gateway, browser: Chrome, path: str) -> None:
    browser.get(f"http://127.0.0.1:{school.console_port}{path}")


def sign_in(school: Gateway, browser: Chrome, name: str) -> None:
    browser.delete_all_cookies()
    go(school, browser, "/sign-in?next=/policy")
    browser.find_element(By.NAME, "name").send_keys(name)
    browser.find_element(By.NAME, "password").send_keys(PASSWORD, Keys.ENTER)
    wait_for(lambda: browser.current_url.endswith("/policy"), f"{name} to be let in")


def press(browser: Chrome, word: str) -> None:
    path = f"//main//*[self::a or self::button or self::summary][contains(normalize-space(), '{word}')]"
    browser.find_element(By.XPATH, path).click()


def fill(browser: Chrome, name: str, words: str) -> None:
    field = next(one for one in browser.find_elements(By.NAME, name) if one.is_displayed())
    field.clear()
    field.send_keys(words)


def says(browser: Chrome, words: str) -> None:
    wait_for(lambda: words in text(browser), f"{words!r} on the page")


def status(school: Gateway) -> int:
    with Browser(school, source=HILLVIEW) as pupil:
        return pupil.fetch(PAGE).status


def test_1_drafted_tried_published_by_another_met_and_undone(school: Gateway, browser: Chrome) -> None:
    sign_in(school, browser, "tim")
    press(browser, "Change the policy")
    fill(browser, "title", "No lesson 9 for Year 11")
    press(browser, "Begin a draft")
    says(browser, "The draft is begun")
    browser.find_element(By.CSS_SELECTOR, "[aria-label='A new rule below pupils-ai']").click()
    fill(browser, "rule", "no-lesson-9")
    Select(browser.find_element(By.NAME, "action")).select_by_value("block")
    browser.find_element(By.NAME, "who-ks4").click()
    fill(browser, "what", f"host:{HOST}")
    fill(browser, "because", "Lesson 9 is over.")
    press(browser, "Add it to the draft")
    says(browser, "closed for Key Stage 4")
    assert status(school) == 200
    assert "Publish: in force" not in text(browser)
    press(browser, "What would it have done")
    says(browser, "It would have blocked")
    assert "It would have blocked 4 requests of 1 person." in text(browser) or "3 requests" in text(browser)
    browser.back()
    fill(browser, "why", "the lesson is over")
    press(browser, "Ask for a review")
    says(browser, "reads and publishes it")
    draft = browser.current_url.partition("?")[0]
    sign_in(school, browser, "ines")
    press(browser, "No lesson 9 for Year 11")
    fill(browser, "why", "agreed")
    press(browser, "Publish: in force")
    says(browser, "Published, and in force.")
    assert status(school) == 403
    sign_in(school, browser, "tim")
    press(browser, "History")
    press(browser, "Version 2")
    says(browser, "As it was in its file")
    press(browser, "Begin a draft from this version")
    says(browser, "RISKY" if "RISKY" in text(browser) else "Risky")
    assert "no-lesson-9 takes away a rule that blocks" in text(browser)
    fill(browser, "why", "it goes on")
    press(browser, "Ask for a review")
    says(browser, "reads and publishes it")
    sign_in(school, browser, "lee")
    press(browser, "Back to version 2")
    fill(browser, "why", "agreed")
    press(browser, "Publish: in force")
    says(browser, "Published, and in force.")
    assert status(school) == 200
    go(school, browser, draft.removeprefix(f"http://127.0.0.1:{school.console_port}"))
    assert "/policy/history/1" in browser.current_url
    with reading(school.data / "store") as connection:
        trail = [(line.who, line.what) for line in entries(connection, kind="change", limit=100)][::-1]
    steps = ["draft.begin", "draft.write", "review.ask", "keep", "publish", "draft.begin", "review.ask", "publish"]
    people = ["tim", "tim", "tim", "ines", "ines", "tim", "tim", "lee"]
    expected = [(f"console:{who}", f"policy.{step}") for who, step in zip(people, steps, strict=True)]
    assert [line for line in trail if line[1].startswith("policy.")] == expected


def test_2_rules_are_dragged_or_moved_with_the_keyboard(school: Gateway, browser: Chrome) -> None:
    sign_in(school, browser, "tim")
    press(browser, "Change the policy")
    fill(browser, "title", "Another order")
    press(browser, "Begin a draft")
    says(browser, "The draft is begun")
    button = browser.find_element(By.CSS_SELECTOR, "[aria-label='Move pupils-ai down']")
    button.send_keys(Keys.ENTER)
    says(browser, "now stands after")
    row, target = (browser.find_element(By.ID, f"rule-{name}") for name in ("pupils-ai", "pupils-adverts"))
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", row)
    ActionChains(browser).drag_and_drop(
        row.find_element(By.TAG_NAME, "th"), target.find_element(By.TAG_NAME, "th")
    ).perform()
    says(browser, "No rule differs")


@pytest.mark.parametrize("look", LOOKS)
def test_3_every_page_can_be_read_and_is_kept_as_a_picture(school: Gateway, browser: Chrome, look: str) -> None:
    sign_in(school, browser, "ines")
    go(school, browser, "/policy")
    if not browser.find_elements(By.LINK_TEXT, "Pictures"):
        press(browser, "Change the policy")
        fill(browser, "title", "Pictures")
        press(browser, "Begin a draft")
        browser.find_element(By.CSS_SELECTOR, "[aria-label='Edit older-pupils-youtube']").click()
        browser.find_element(By.NAME, "who-ks3").click()
        fill(browser, "what", f"host:youtube.com\nhost:{HOST}")
        press(browser, "Write it into the draft")
        says(browser, "now also")
        browser.find_element(By.CSS_SELECTOR, "[aria-label='A new rule below pupils-ai']").click()
        fill(browser, "rule", "less-reading")
        Select(browser.find_element(By.NAME, "action")).select_by_value("block")
        fill(browser, "what", f"host:{HOST}")
        press(browser, "Add it to the draft")
        says(browser, "less-reading")
    go(school, browser, "/policy")
    draft = browser.find_element(By.LINK_TEXT, "Pictures").get_attribute("href").partition(str(school.console_port))[2]
    pages = {
        "policy": "/policy", "policy-ks3": "/policy?band=ks3&q=games", "policy-draft": draft,
        "policy-rule": f"{draft}/rule?rule=older-pupils-youtube", "policy-new": f"{draft}/rule?into=3&after=pupils-ai",
        "policy-text": f"{draft}/text", "policy-what-if": f"{draft}/what-if?who=yes",
        "policy-history": "/policy/history?all=yes", "policy-version": "/policy/history/1",
    }  # fmt: skip
    found: dict[str, list[str]] = {}
    browser.get_log("browser")
    try:
        for name, path in pages.items():
            look_as(browser, look)
            go(school, browser, path)
            for one in browser.find_elements(By.CSS_SELECTOR, "main details > summary"):
                if name in {"policy-draft", "policy-version"} and one.text == "Line by line":
                    one.click()
            if wrong := faults(browser):
                found[f"{name} {path}"] = wrong
            picture(browser, name, look)
            logs = [one["message"] for one in browser.get_log("browser") if "favicon" not in one["message"]]
            if logs:
                found[f"{name} console"] = logs
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert found == {}
