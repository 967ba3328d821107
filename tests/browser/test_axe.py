"""No page of the console shuts anybody out, as axe finds it: every page of ICT services, who see most, and of nobody.

Light, dark and on a phone; other roles: `test_axe_roles`, so that two processes share the work. What is found goes to
`artifacts/console/axe-ROLE.json`, and pictures of every page beside it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from console.page import Page
from console.pages import pages
from console.roles import Role
from tests.browser import desk as desks
from tests.browser.axe import patient, violations, visit, visit_as
from tests.browser.console_screen import LOOKS, look_as, picture
from tests.browser.desk import Desk, open_desk
from tests.conftest import REPOSITORY
from tests.console.conftest import prepared  # noqa: F401
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def desk(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:  # noqa: F811
    """A console with a school's day in it."""
    with open_desk(Path(shutil.copytree(prepared, tmp_path_factory.mktemp("desk") / "data"))) as desk:
        yield desk


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser that reaches this machine only."""
    with patient(tmp_path_factory.mktemp("home")) as browser:
        yield browser


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
    visited = {name for role in (*Role, None) for name in desk.addresses(role)}
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
        wrong[look] = violations(browser, look)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert not any(wrong.values()), wrong


def test_every_page_of_ict_services(desk: Desk, browser: Chrome) -> None:
    assert visit_as(desk, browser, Role.ICT) == {}


def test_the_pages_of_ict_services_stand_in_one_line(desk: Desk, browser: Chrome) -> None:
    """At 1280 pixels: every page beside the name of who is there, none beyond the edge."""
    desk.sign_in(browser, Role.ICT)
    look_as(browser, "light")
    browser.get(f"{desk.base}/holds")
    lines = browser.execute_script(
        "return [...document.querySelectorAll('.brand, .pages a, .who')].map((one) => one.getBoundingClientRect())"
        ".map((box) => [Math.round(box.top), Math.round(box.bottom), Math.round(box.right)])"
    )
    middle = [(top + bottom) / 2 for top, bottom, _ in lines]
    assert max(middle) - min(middle) < 12, lines
    assert max(right for *_, right in lines) <= 1280, lines
    nav = "document.querySelector('.pages')"
    hidden = browser.execute_script(f"return {nav}.scrollWidth - {nav}.clientWidth")
    assert hidden <= 0, lines
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_in_the_dark_only_colours_differ() -> None:
    """So that a page in the dark need be asked for its colours alone."""
    style = (REPOSITORY / "console" / "static" / "console.css").read_text(encoding="utf-8")
    assert style.count("prefers-color-scheme") == 1
    dark = re.search(r"@media \(prefers-color-scheme: dark\) \{\s*:root \{([^}]*)\}\s*\}", style)
    assert dark, "the dark rules are no longer one block of variables"
    names = {one.partition(":")[0].strip() for one in dark[1].split(";") if one.strip()}
    assert names
    assert all(name.startswith("--") for name in names), names
