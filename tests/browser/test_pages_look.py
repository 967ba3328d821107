"""Our pages in a real Chromium, with their real headers: styled, readable by day and night, on a phone and zoomed.

Pictures of every page go to `artifacts/pages` to be looked at.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.common.by import By

from addons.pages import Page, PageKind, render
from addons.proceed import offer
from policy.client import Client
from policy.model import Action, Reason
from tests.addons.pagesamples import AROUND, GAMES, NOW, REFERENCE, page, person, verdict
from tests.conftest import REPOSITORY
from tests.rig.chromium import TiedService, tied_browser
from tests.rig.tools import need

pytestmark = pytest.mark.browser
PICTURES = REPOSITORY / "artifacts" / "pages"

BANDS = ("ks1", "ks2", "ks4", "staff", "guest")
SCREENS: dict[str, tuple[int, int, bool]] = {
    "desk": (1200, 900, False),
    "night": (1200, 900, True),
    "phone": (320, 640, False),
    "zoomed": (600, 450, False),
}
"""Width, height in CSS pixels, dark. 1200 pixels at 200 % zoom are 600; 320 is WCAG 2.2's reflow width (1.4.10)."""


def _pages() -> dict[str, Page]:
    made: dict[str, Page] = {}
    for band in BANDS:
        made[f"block-{band}"] = page(verdict(), band)
        made[f"statutory-{band}"] = page(verdict(reason=Reason.STATUTORY, category="child-abuse"), band)
        warned = verdict(Action.WARN)
        made[f"warn-{band}"] = page(warned, band, proceed=offer(b"s" * 32, warned, person(band), GAMES, NOW))
    for band in ("ks2", "ks4"):
        made[f"care-{band}"] = page(verdict(category="self-harm"), band)
    for band in ("ks1", "ks4", "staff"):
        for reason in (Reason.CERTIFICATE, Reason.UPSTREAM, Reason.RECORD, Reason.FAILURE, Reason.GUARD):
            made[f"{reason.value}-{band}"] = page(verdict(reason=reason), band)
        for refused in ("disabled", "consent", "sign-in"):
            made[f"{refused}-{band}"] = page(verdict(reason=Reason.IDENTITY), band, refused=refused)
    unknown = Client(address="10.4.2.17")
    made["unknown"] = render(verdict(), unknown, GAMES, PageKind.HTML, at=NOW, around=AROUND, reference=REFERENCE)
    long = "a-very-long-name-without-any-place-to-break-" * 6
    made["long-names"] = page(verdict(category=long, terms=(long,)), "staff")
    return made


PAGES = _pages()


class _Handler(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        made = PAGES.get(self.path.strip("/"))
        if made is None:
            self.send_error(404)
            return
        # 407 makes a browser ask for a proxy it does not have; what is looked at here is the page.
        self.send_response(403 if made.status == 407 else made.status)
        for name, value in made.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(made.body)))
        self.end_headers()
        self.wfile.write(made.body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@dataclass
class Showing:
    """A browser and where the pages are."""

    browser: Chrome
    url: str
    asked: list[str]

    def open(self, name: str, screen: str) -> None:
        width, height, dark = SCREENS[screen]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": screen == "phone"}
        media = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        self.asked.clear()
        self.browser.get(f"{self.url}/{name}")

    def picture(self, name: str) -> None:
        import base64

        PICTURES.mkdir(parents=True, exist_ok=True)
        shot = self.browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        (PICTURES / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))

    def ask(self, script: str) -> Any:
        return self.browser.execute_script(f"return {script}")


@pytest.fixture(scope="module")
def showing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showing]:
    asked: list[str] = []
    handler = type("Handler", (_Handler,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = ChromeOptions()
    profile: Path = tmp_path_factory.mktemp("profile")
    options.binary_location = tied_browser(need("chromium", "chromium"), profile)
    for flag in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}"),
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=TiedService(need("chromedriver", "chromium-driver"), profile))
    try:
        yield Showing(browser, f"http://127.0.0.1:{server.server_port}", asked)
    finally:
        browser.quit()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("name", PAGES)
def test_every_page_on_every_screen(showing: Showing, name: str, screen: str) -> None:
    """Its style is in force under its own policy, nothing runs over the side, nothing is asked for but the page."""
    showing.browser.get_log("browser")
    showing.open(name, screen)
    showing.picture(f"{name}-{screen}")
    root = "document.documentElement"
    assert showing.ask(f"{root}.scrollWidth") <= showing.ask(f"{root}.clientWidth")
    assert showing.ask("getComputedStyle(document.querySelector('main')).borderTopStyle") == "solid"
    ground = showing.ask("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(16, 22, 29)") == (screen == "night")
    assert showing.asked == [f"/{name}"]
    complaints = [line["message"] for line in showing.browser.get_log("browser")]
    assert [line for line in complaints if "Failed to load resource: the server responded" not in line] == []


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("warn-")])
def test_the_button_can_be_reached_seen_and_hit(showing: Showing, name: str) -> None:
    """WCAG 2.2: by keyboard (2.1.1), with visible focus (2.4.7), at least 24 pixels each way (2.5.8)."""
    showing.open(name, "phone")
    button = showing.browser.find_element(By.TAG_NAME, "button")
    assert button.size["height"] >= 44
    assert button.size["width"] >= 44
    button.send_keys("")
    assert showing.ask("document.activeElement.tagName") == "BUTTON"


def test_a_young_child_sees_what_to_do_without_scrolling(showing: Showing) -> None:
    showing.open("block-ks1", "desk")
    steps = showing.browser.find_elements(By.CSS_SELECTOR, "main ul:not(.help) li")
    assert steps
    assert all(step.rect["y"] + step.rect["height"] <= 900 for step in steps)
    size = showing.ask("getComputedStyle(document.querySelector('main li')).fontSize")
    assert float(size.removesuffix("px")) >= 18
