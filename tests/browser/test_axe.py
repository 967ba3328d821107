"""No page of the console shuts anybody out, as axe finds it: every page of every role, light and dark, and on a phone.

The engine is that of the installed package `axe-selenium-python`, handed to the page by the driver: the console's
Content-Security-Policy stays as it is. What is found goes to `artifacts/console/axe-ROLE.json`, and a picture of every
page beside it.
"""

from __future__ import annotations

import importlib.resources
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from console.page import Page
from console.pages import pages
from console.roles import Role
from tests.browser import desk as desks
from tests.browser.console_screen import LOOKS, SCREENS, look_as, picture
from tests.browser.desk import LAPTOP, PUPIL, Desk, open_desk
from tests.console.conftest import prepared  # noqa: F401
from tests.rig.chromium import chromium
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]
AXE = importlib.resources.files("axe_selenium_python") / "node_modules" / "axe-core" / "axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
"""What must hold: WCAG 2.0, 2.1 and 2.2, levels A and AA."""
RUN = """
const done = arguments[arguments.length - 1];
for (const folded of document.querySelectorAll('details')) folded.open = true;
axe.run(document, {runOnly: {type: 'tag', values: arguments[0]}, resultTypes: ['violations']})
  .then((told) => told.violations.map((one) => [one.id, one.nodes.map((node) => node.html)]))
  .then(done, (error) => done(String(error)));
"""
PEOPLE = [role for role in Role if role is not Role.READER]
ASKED = {Role.TECHNICIAN, Role.ICT, Role.SAFEGUARDING, Role.LEADER}
"""Roles that are asked why they look at one person's rows."""


@pytest.fixture(scope="module")
def desk(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:  # noqa: F811
    """A console with a school's day in it."""
    with open_desk(Path(shutil.copytree(prepared, tmp_path_factory.mktemp("desk") / "data"))) as desk:
        yield desk


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser that reaches this machine only."""
    with chromium(None, tmp_path_factory.mktemp("home"), proxied=False) as browser:
        browser.set_script_timeout(120)
        browser.set_page_load_timeout(120)
        yield browser


def violations(browser: Chrome) -> list[Any]:
    """What axe finds on the page shown: rules, each with the elements that break it."""
    browser.execute_script(AXE.read_text(encoding="utf-8"))
    found = browser.execute_async_script(RUN, list(RULES))
    assert isinstance(found, list), found
    return found


def visit(desk: Desk, browser: Chrome, role: Role | None, looks: tuple[str, ...]) -> dict[str, Any]:
    """Every page of a role; what is wrong, by page and look."""
    wrong: dict[str, Any] = {}
    for name, addresses in desk.addresses(role).items():
        for number, address in enumerate(addresses):
            look_as(browser, looks[0])
            browser.get(desk.base + address)
            if urlsplit(browser.current_url).path != urlsplit(address).path:
                wrong[f"{name} {address}"] = f"led to {browser.current_url}"
            for look in looks:
                look_as(browser, look)
                picture(browser, f"{role or 'nobody'}-{name}" + (f"-{number}" if number else ""), look)
                if found := violations(browser):
                    wrong[f"{name} {address} {look}"] = found
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    SCREENS.mkdir(parents=True, exist_ok=True)
    (SCREENS / f"axe-{role}.json").write_text(json.dumps(wrong, indent=1), encoding="utf-8")
    return wrong


def test_the_engine_finds_what_is_wrong(desk: Desk, browser: Chrome) -> None:
    """A field without a label, and words nobody can read, put into a page of ours."""
    browser.get(f"{desk.base}/sign-in")
    browser.execute_script(
        "const field = document.createElement('input'); document.querySelector('main').append(field);"
        "const words = document.createElement('p'); words.append('pale'); words.style.color = '#eee';"
        "document.querySelector('main').append(words);"
    )
    assert {rule for rule, _ in violations(browser)} >= {"label", "color-contrast"}


def test_a_page_nobody_visits_is_noticed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are those the application declares; one with a number in its address needs a line of its own."""
    visited = {name for role in (*PEOPLE, None) for name in desk.addresses(role)}
    assert visited == {page.name for page in pages() if page.template} - desks.ALONE
    new = Page(name="new", path="/new/{id:int}", title="New", show=pages()[0].show, template="new.html")
    monkeypatch.setattr(desks, "pages", lambda: (*pages(), new))
    with pytest.raises(LookupError, match="new"):
        desk.addresses(Role.ICT)


def test_pages_of_nobody(desk: Desk, browser: Chrome) -> None:
    browser.get(f"{desk.base}/sign-in")
    browser.delete_all_cookies()
    assert visit(desk, browser, None, ("light", "dark", "phone")) == {}


def test_the_preview_of_a_list(desk: Desk, browser: Chrome, tmp_path: Path) -> None:
    """What comes of a form is a page too."""
    desk.sign_in(browser, Role.ICT)
    browser.get(f"{desk.base}/lists/new")
    file = tmp_path / "city.txt"
    file.write_text("games.example\nno..host\nhttp://pages.example/only\n||ads.example^\n")
    for name, words in (("name", "city-2"), ("file", str(file)), ("why", "asked for")):
        browser.find_element(By.NAME, name).send_keys(words)
    Select(browser.find_element(By.NAME, "category")).select_by_value("games")
    browser.find_element(By.CSS_SELECTOR, "form[enctype] button").click()
    wait_for(lambda: browser.find_elements(By.ID, "look"), "the preview", seconds=60)
    wrong = {}
    for look in LOOKS:
        look_as(browser, look)
        picture(browser, "list-preview", look)
        wrong[look] = violations(browser)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert not any(wrong.values()), wrong


@pytest.mark.parametrize("role", PEOPLE, ids=str)
def test_every_page_of_every_role(desk: Desk, browser: Chrome, role: Role) -> None:
    desk.sign_in(browser, role)
    if role in ASKED:
        desk.say_why(browser, PUPIL, LAPTOP, "case-1")
    looks = ("light", "dark", "phone") if role is Role.ICT else ("light", "dark")
    assert visit(desk, browser, role, looks) == {}
