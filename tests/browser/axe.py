"""What axe finds on pages of the console: a role's pages in, what shuts people out by page and look out.

A page is loaded once, and shown light, dark and as on a phone by emulation. In the dark only colours differ (a test
says so of the stylesheet), so only the rules that look at colours are asked again; on a phone all of them are. Of rows
that are alike in everything but words, three are looked at: the engine takes seconds for a table of 250. It is that of
the installed package `axe-selenium-python`, handed to the page by the driver: the console's Content-Security-Policy
stays as it is.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.resources
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.webdriver import Chrome

from console.roles import Role
from tests.browser.console_screen import SCREENS, look_as, picture
from tests.browser.desk import LAPTOP, PUPIL, Desk
from tests.rig.chromium import chromium

TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
"""What must hold: WCAG 2.0, 2.1 and 2.2, levels A and AA."""
COLOURS = ("color-contrast", "link-in-text-block")
"""Rules of these that look at colours."""
ASKED = {Role.TECHNICIAN, Role.ICT, Role.SAFEGUARDING, Role.LEADER}
"""Roles that are asked why they look at one person's rows."""
KEPT = 3
"""Of rows, items and bars that are alike in everything but words, so many are looked at."""
THIN = """
const kept = arguments[0], ids = [...document.querySelectorAll('[id]')].map((one) => one.id);
const shape = (node) => node.tagName + [...node.attributes].map((one) =>
    one.name + (/^(class|role|type|scope|tabindex|aria-(hidden|current|pressed))$/.test(one.name) ? one.value : ''))
  + [...node.childNodes].map((one) => one.nodeType === 1 ? shape(one) : one.textContent.trim() ? 't' : '');
for (const parent of document.querySelectorAll('tbody, ul, ol, select, svg, svg g')) {
  const seen = {};
  for (const child of [...parent.children]) {
    const of = shape(child);
    seen[of] = (seen[of] || 0) + 1;
    if (seen[of] > kept) child.remove();
  }
}
return ids.filter((one, place) => ids.indexOf(one) !== place);
"""
RUN = """
const done = arguments[arguments.length - 1];
for (const folded of document.querySelectorAll('details')) folded.open = true;
const asked = {runOnly: arguments[0], resultTypes: ['violations'], preload: false, xpath: false, ancestry: false};
axe.run(document, asked)
  .then((told) => told.violations.map((one) => [one.id, one.nodes.map((node) => node.html)]))
  .then(done, (error) => done(String(error)));
"""


@contextlib.contextmanager
def patient(home: Path) -> Iterator[Chrome]:
    """A browser that reaches this machine only, and waits on a loaded one."""
    with chromium(None, home, proxied=False) as browser:
        browser.set_script_timeout(120)
        browser.set_page_load_timeout(120)
        yield browser


@functools.cache
def engine() -> str:
    """The engine's source."""
    file = importlib.resources.files("axe_selenium_python") / "node_modules" / "axe-core" / "axe.min.js"
    return file.read_text(encoding="utf-8")


def violations(browser: Chrome, look: str = "light") -> list[Any]:
    """What axe finds on the page shown: rules, each with the elements that break it."""
    twice: list[str] = []
    if not browser.execute_script("return Boolean(window.axe)"):
        browser.execute_script(engine())
        twice = list(browser.execute_script(THIN, KEPT))
    asked = {"type": "rule", "values": COLOURS} if look == "dark" else {"type": "tag", "values": TAGS}
    found = browser.execute_async_script(RUN, asked)
    assert isinstance(found, list), found
    return [*found, ["two elements with one id", twice]] if twice else found


def visit(desk: Desk, browser: Chrome, role: Role | None, looks: tuple[str, ...]) -> dict[str, Any]:
    """Every page of a role; what is wrong, by page and look. Pictures: pages in every look, states in one."""
    wrong: dict[str, Any] = {}
    for name, addresses in desk.addresses(role).items():
        for number, address in enumerate(addresses):
            look_as(browser, looks[0])
            browser.get(desk.base + address)
            if urlsplit(browser.current_url).path != urlsplit(address).path:
                wrong[f"{name} {address}"] = f"led to {browser.current_url}"
            for look in looks[:1] if number else looks:
                look_as(browser, look)
                picture(browser, f"{role or 'nobody'}-{name}" + (f"-{number}" if number else ""), look)
            for look in looks:
                look_as(browser, look)
                if found := violations(browser, look):
                    wrong[f"{name} {address} {look}"] = found
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    SCREENS.mkdir(parents=True, exist_ok=True)
    (SCREENS / f"axe-{role}.json").write_text(json.dumps(wrong, indent=1), encoding="utf-8")
    return wrong


def visit_as(desk: Desk, browser: Chrome, role: Role) -> dict[str, Any]:
    """Sign in as somebody of that role and look at every page; those of ICT services, who have most, on a phone too."""
    desk.sign_in(browser, role)
    if role in ASKED:
        desk.say_why(browser, PUPIL, LAPTOP, "case-1")
    return visit(desk, browser, role, ("light", "dark", "phone") if role is Role.ICT else ("light", "dark"))
