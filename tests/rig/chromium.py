"""A real Chromium that trusts the gateway's CA the way a managed device does: through its NSS database.

No certificate error is ignored, so a TLS fault of the gateway is a fault in the test. The browser has a home and a
profile of its own and speaks to nothing but the gateway.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from selenium.common.exceptions import NoSuchElementException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.relative_locator import RelativeBy

from tests.rig.gateway import Gateway
from tests.rig.ties import tied
from tests.rig.tools import need
from tests.rig.waiting import wait_for

QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication,HttpsUpgrades,"
    "HttpsFirstBalancedModeAutoEnable,NetworkTimeServiceQuerying",
    "--window-size=1000,800",
)
"""Nothing of its own on the network."""


class PatientChrome(Chrome):
    """A click that sends a form returns before the next page is there: what is looked for on it is waited for."""

    def find_element(self, by: str | By | RelativeBy = By.ID, value: str | None = None) -> WebElement:
        """The element, as soon as there is one."""
        try:
            return wait_for(lambda: self.find_elements(by, value), f"{by} {value!r}")[0]
        except AssertionError as error:
            raise NoSuchElementException(str(error)) from None


class TiedService(Service):
    """The driver ends with the test's process."""

    def __init__(self, driver: str, home: Path) -> None:
        """`driver` is `chromedriver`; it has its home in `home`."""
        tie, *self._words = [*tied("KILL"), driver]
        super().__init__(tie, env={**os.environ, "HOME": str(home)})

    def command_line_args(self) -> list[str]:
        """The driver behind what ties it, and its own arguments."""
        return [*self._words, *super().command_line_args()]


def tied_browser(browser: str, home: Path) -> str:
    """A program that is the browser and ends with its driver, which would leave it behind."""
    program = home / "browser"
    program.write_text(f'#!/bin/sh\nexec {shlex.join([*tied("KILL"), browser])} "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    return str(program)


def trust(home: Path, ca_cert: Path) -> None:
    """Make the NSS database below `home` trust `ca_cert`, as a device's administrator would."""
    certutil = need("certutil", "libnss3-tools")
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True, exist_ok=True)
    place = f"sql:{store}"
    subprocess.run([certutil, "-N", "-d", place, "--empty-password"], check=True, capture_output=True)
    words = [certutil, "-A", "-d", place, "-n", "Schoolgate", "-t", "C,,", "-i", str(ca_cert)]
    subprocess.run(words, check=True, capture_output=True)


@contextlib.contextmanager
def chromium(gateway: Gateway | None, home: Path, *, trusting: bool = True, proxied: bool = True) -> Iterator[Chrome]:
    """A browser behind the gateway; `trusting=False` is a device nobody set up, `proxied=False` goes to servers of this
    machine itself, as an administrator's browser does to the console. No gateway: neither."""
    browser, driver = need("chromium", "chromium"), need("chromedriver", "chromium-driver")
    home.mkdir(parents=True, exist_ok=True)
    if trusting and gateway is not None:
        trust(home, gateway.ca_cert)
    options = ChromeOptions()
    options.binary_location = tied_browser(browser, home)
    for flag in QUIET:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={home / 'profile'}")
    if proxied and gateway is not None:
        options.add_argument(f"--proxy-server={gateway.proxy_url}")
        options.add_argument("--proxy-bypass-list=<-loopback>")
    else:
        options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    options.page_load_strategy = "normal"
    session = PatientChrome(options=options, service=TiedService(driver, home))
    try:
        session.set_page_load_timeout(30)
        yield session
    finally:
        session.quit()
