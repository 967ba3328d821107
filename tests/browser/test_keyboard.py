"""The five commonest jobs with the keyboard alone: Tab, Enter, blank and arrows; no pointer, no element clicked.

At every stop of the focus: it is seen, it is on screen, and it comes after the one before as the page is read.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys

from console.roles import Role
from registry import overrides, people, requests
from tests.browser.console_screen import text
from tests.browser.desk import GAMES, LAPTOP, Desk, open_desk
from tests.console.conftest import prepared  # noqa: F401
from tests.console.rig import PASSWORD
from tests.rig.chromium import chromium
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
STOPS = 60
"""So many times Tab is pressed at most, for one step of a job."""
NOW = """
const e = document.activeElement, box = e.getBoundingClientRect(), style = getComputedStyle(e);
const before = window.lastStop;
const said = e.getAttribute('aria-label') || e.labels?.[0]?.innerText || e.innerText || e.name || '';
window.lastStop = e;
return {
  tag: e.tagName, name: e.name || '', value: e.value ?? '', said: said.trim().replace(/\\s+/g, ' '),
  seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
  there: box.width > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
  after: !before || before === e || !before.isConnected
    || Boolean(before.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING),
};
"""


@pytest.fixture(scope="module")
def desk(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:  # noqa: F811
    """A console with a school's day in it."""
    with open_desk(Path(shutil.copytree(prepared, tmp_path_factory.mktemp("desk") / "data"))) as desk:
        yield desk


class Keyboard:
    """Somebody who has no pointer."""

    def __init__(self, browser: Chrome) -> None:
        self.browser = browser

    def press(self, *keys: str) -> None:
        """Type where the focus is."""
        ActionChains(self.browser).send_keys(*keys).perform()

    def tab(self) -> dict[str, object]:
        """One stop on; what is there. Fails where the focus is lost, unseen or jumps back."""
        self.press(Keys.TAB)
        now = dict(self.browser.execute_script(NOW))
        assert now["tag"] != "BODY", "the focus left the page"
        assert now["seen"], f"nobody sees that the focus is on {now}"
        assert now["there"], f"the focus is off the screen, on {now}"
        assert now["after"], f"the focus jumps back to {now}"
        return now

    def to(self, name: str) -> int:
        """Tab to a field of that name, or to a link or button that says it; the stops it took."""
        for stop in range(1, STOPS + 1):
            now = self.tab()
            if name == now["name"] or name in str(now["said"]):
                return stop
        raise AssertionError(f"{name!r} is not reached with {STOPS} tabs")

    def field(self, name: str, words: str) -> None:
        """Tab to a field and type."""
        self.to(name)
        self.press(words)

    def skip(self) -> None:
        """Past the navigation, by the page's first link."""
        assert self.tab()["said"] == "Skip to the page"
        self.press(Keys.ENTER)
        wait_for(lambda: self.browser.execute_script("return document.activeElement.id") == "content", "the page")

    def opened(self, part: str) -> None:
        """Wait for a page of that address."""
        ready = "return document.readyState === 'complete'"
        wait_for(lambda: part in self.browser.current_url and self.browser.execute_script(ready), part, seconds=60)


@pytest.fixture(scope="module")
def keyboard(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyboard]:
    """A technician who signed in with the keyboard (the first of the five jobs)."""
    with chromium(None, tmp_path_factory.mktemp("home"), proxied=False) as browser:
        browser.set_window_size(1280, 900)
        browser.set_page_load_timeout(120)
        yield Keyboard(browser)


def test_1_sign_in(desk: Desk, keyboard: Keyboard) -> None:
    """The focus is in the first field."""
    keyboard.browser.get(f"{desk.base}/sign-in")
    assert keyboard.browser.execute_script("return document.activeElement.name") == "name"
    keyboard.press(f"{Role.TECHNICIAN}-desk")
    keyboard.field("password", PASSWORD)
    keyboard.press(Keys.ENTER)
    keyboard.opened("/dashboard")


def test_2_open_a_site_for_a_class_until(desk: Desk, keyboard: Keyboard) -> None:
    """From the log: find the site, go to its row, and on to what can be done about it."""
    keyboard.browser.get(f"{desk.base}/log")
    keyboard.skip()
    keyboard.field("q", GAMES)
    keyboard.press(Keys.ENTER)
    keyboard.opened("domain=")
    keyboard.press("j")
    assert keyboard.to("Allow…") < 14
    keyboard.press(Keys.ENTER)
    keyboard.opened("/decide")
    keyboard.skip()
    keyboard.to("whom")
    keyboard.press(Keys.ARROW_DOWN, Keys.ARROW_UP)  # to the age band and back
    keyboard.to("group")
    assert keyboard.browser.execute_script("return document.activeElement.value") == "year-4"
    keyboard.field("until", "11:05")
    keyboard.field("why", "coding club, period 3")
    keyboard.press(Keys.TAB, Keys.ENTER)
    keyboard.opened("/decisions/")
    with desk.console.house.reading() as connection:
        made = overrides.decisions(connection)[-1]
    assert (made.override.what, made.override.group, made.why) == (f"host:{GAMES}", "year-4", "coding club, period 3")
    assert made.override.until is not None
    assert "IN FORCE" in text(keyboard.browser).upper()


def test_3_what_did_that_machine_do_at_10_15(desk: Desk, keyboard: Keyboard) -> None:
    """Machine and time in the filters; the reason that is asked; its rows; one of them opened."""
    keyboard.browser.get(f"{desk.base}/log")
    keyboard.skip()
    keyboard.to("More filters")
    keyboard.press(Keys.ENTER)
    keyboard.field("device", LAPTOP)
    keyboard.field("until", "10:16")
    keyboard.press(Keys.ENTER)
    keyboard.opened("/reason")
    assert keyboard.browser.execute_script("return document.activeElement.name") == "why"
    keyboard.press("a report of a teacher", Keys.TAB, Keys.ENTER)
    keyboard.opened(f"device={LAPTOP}")
    assert "10:15:00" in text(keyboard.browser)
    keyboard.press("j", Keys.ENTER)
    keyboard.opened(f"/log/{desk.row}")
    assert GAMES in text(keyboard.browser)


def test_4_answer_a_review_request(desk: Desk, keyboard: Keyboard) -> None:
    keyboard.browser.get(f"{desk.base}/requests")
    keyboard.skip()
    keyboard.to("10:20:00")
    keyboard.press(Keys.ENTER)
    keyboard.opened("/requests/1")
    keyboard.skip()
    keyboard.to("do")
    keyboard.press(Keys.ARROW_UP)  # the last of them: leave it as it is
    keyboard.field("why", "not in lessons")
    keyboard.field("answer", "Ask your teacher.")
    keyboard.press(Keys.TAB, Keys.ENTER)
    keyboard.opened("done=")
    with desk.console.house.reading() as connection:
        one = requests.get(connection, 1)
    assert (one.state, one.answer) == ("no-change", "it stays as it is. Ask your teacher.")
    assert keyboard.browser.execute_script("return document.activeElement.innerText").startswith("✓ Decided.")


def test_5_add_a_person(desk: Desk, keyboard: Keyboard) -> None:
    keyboard.browser.get(f"{desk.base}/people")
    keyboard.skip()
    keyboard.to("Somebody new")
    keyboard.press(Keys.ENTER)
    keyboard.opened("/people/new")
    keyboard.skip()
    for name, words in (("name", "pupil-0500"), ("title", "Pupil Fifty"), ("band", "ks2"), ("groups", "year-4")):
        keyboard.field(name, words)
    keyboard.to("password")
    keyboard.press(Keys.ARROW_DOWN)  # no password
    keyboard.field("why", "joined today")
    keyboard.press(Keys.ENTER)
    keyboard.opened("/person/pupil-0500")
    with desk.console.house.reading() as connection:
        made = people.get(connection, "pupil-0500")
    assert (made.details.title, made.details.band, made.details.groups) == ("Pupil Fifty", "ks2", frozenset({"year-4"}))


def test_6_single_keys_are_turned_off(desk: Desk, keyboard: Keyboard) -> None:
    """For software that types what somebody says: a `/` in a word goes nowhere then."""
    keyboard.browser.get(f"{desk.base}/me")
    keyboard.skip()
    keyboard.to("Single keys")
    keyboard.press(" ")
    keyboard.browser.get(f"{desk.base}/log")
    keyboard.press("/")
    assert keyboard.browser.execute_script("return document.activeElement.tagName") == "BODY"
    keyboard.press("j")
    assert keyboard.browser.execute_script("return document.querySelector('tr.current')") is None
