"""What a browser test of the console needs: pictures in three looks, and a look for what shuts people out.

Pictures go to `artifacts/console`, outside version control.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome

from tests.conftest import REPOSITORY

SCREENS = REPOSITORY / "artifacts" / "console"
LOOKS = {
    "light": ("light", 1280, 900, False),
    "dark": ("dark", 1280, 900, False),
    "phone": ("light", 390, 844, True),
}
"""Colour scheme, width, height, and whether it is a phone."""

FAULTS = Path(__file__).with_name("faults.js").read_text(encoding="utf-8")
"""What keeps people out (WCAG 2.2 AA, as far as a page tells by itself): labels, names, headings, contrast, targets."""


def look_as(browser: Chrome, look: str) -> None:
    """Show pages as on a light or dark desk, or on a phone."""
    scheme, width, height, phone = LOOKS[look]
    media: dict[str, Any] = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def picture(browser: Chrome, name: str, look: str) -> None:
    """Keep a picture of the whole page."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    height = int(browser.execute_script("return document.documentElement.scrollHeight"))
    _, width, shortest, _ = LOOKS[look]
    clip = {"x": 0, "y": 0, "width": width, "height": min(max(height, shortest), 2400), "scale": 1}
    whole = {"format": "png", "captureBeyondViewport": True, "optimizeForSpeed": True, "clip": clip}
    told = browser.execute_cdp_cmd("Page.captureScreenshot", whole)
    (SCREENS / f"{name}-{look}.png").write_bytes(base64.b64decode(told["data"]))


def faults(browser: Chrome) -> list[str]:
    """What shuts people out on the page shown."""
    return list(browser.execute_script(FAULTS))


def text(browser: Chrome) -> str:
    """What a person reads."""
    return str(browser.execute_script("return document.querySelector('main')?.innerText ?? ''"))
