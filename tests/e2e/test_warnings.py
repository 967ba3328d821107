"""Think first: a warn page whose button is signed, expires, and is no key to other pages or people.

Shows: `addons.warnings`.
"""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urljoin

import pytest

from tests.rig.clients import Answer, Browser
from tests.rig.gateway import TEACHER, YEAR_4, Gateway
from tests.rig.origin import Origin

pytestmark = pytest.mark.e2e
BOTH = pytest.mark.parametrize("scheme", ["http", "https"])


def button(page: Answer, url: str) -> str:
    """Where the page's continue button posts to."""
    found = re.search(r'<form[^>]*method="post"[^>]*action="([^"]*)"', page.text)
    assert found, page.text
    return urljoin(url, unescape(found[1]))


def press(browser: Browser, url: str) -> Answer:
    """Post the button, as a browser does."""
    return browser.fetch(url, method="POST", body=b"", headers={"Sec-Fetch-Site": "same-origin"})


@BOTH
def test_a_teacher_reads_the_warning_and_goes_on(gateway: Gateway, origin: Origin, seat: str, scheme: str) -> None:
    url = f"{scheme}://warn.example/page?title=After+the+warning&seat={seat}"
    with Browser(gateway, source=seat) as browser:
        page = browser.fetch(url)
        assert page.status == 403
        assert "Think before you go on" in page.text
        assert not [arrival for arrival in origin.seen("warn.example") if arrival.query.get("seat") == seat]
        went = press(browser, button(page, url))
        assert went.status == 303
        assert went.headers["location"].endswith(f"/page?title=After+the+warning&seat={seat}")
        opened = browser.fetch(url)
        assert (opened.status, "origin content" in opened.text) == (200, True)
    rows = gateway.wait_for_rows(3, host="warn.example", client_address=seat)
    facts = [(row["action"], row["blocked"], row["status"]) for row in reversed(rows)]
    assert facts[0] == ("warn", True, 403)
    assert facts[1][2] == 303
    assert facts[2] == ("allow", False, 200)
    assert rows[0]["rule"] == "think-first"
    assert rows[0]["note"], "a row that says the warning was gone past"


def test_a_made_up_token_opens_nothing(gateway: Gateway, origin: Origin, seat: str) -> None:
    url = f"https://warn.example/page?seat={seat}"
    with Browser(gateway, source=seat) as browser:
        real = button(browser.fetch(url), url)
        head, dot, signature = real.partition("token=")[2].partition("&")[0].partition(".")
        for forged in (f"{head}.{'A' * len(signature)}", f"{head[:-4]}AAAA{dot}{signature}", "x", "", "." * 5000):
            press(browser, real.replace(f"{head}.{signature}", forged))
            assert browser.fetch(url).status == 403
    assert not [arrival for arrival in origin.seen("warn.example") if arrival.query.get("seat") == seat]


def test_a_link_or_a_foreign_page_cannot_press_the_button(gateway: Gateway, seat: str) -> None:
    """A prefetch (GET) or another website's form (Sec-Fetch-Site) goes on for nobody."""
    url = "https://warn.example/page"
    with Browser(gateway, source=seat) as browser:
        real = button(browser.fetch(url), url)
        browser.fetch(real)
        assert browser.fetch(url).status == 403
        browser.fetch(real, method="POST", body=b"", headers={"Sec-Fetch-Site": "cross-site"})
        assert browser.fetch(url).status == 403


def test_going_on_is_no_key_for_another_device(gateway: Gateway, seat: str) -> None:
    url = "https://warn.example/page"
    with Browser(gateway, source=seat) as teacher, Browser(gateway, source=YEAR_4) as pupil:
        real = button(teacher.fetch(url), url)
        press(pupil, real)
        assert pupil.fetch(url).status == 403
        assert press(teacher, real).status == 303
        assert teacher.fetch(url).status == 200
        assert pupil.fetch(url).status == 403


def test_going_on_at_one_site_does_not_open_another(gateway: Gateway, seat: str) -> None:
    first, second = "https://warn.example/page", "https://warn-too.example/page"
    with Browser(gateway, source=seat) as browser:
        real = button(browser.fetch(first), first)
        press(browser, real.replace("//warn.example", "//warn-too.example"))
        assert browser.fetch(second).status == 403
        assert press(browser, real).status == 303
        assert browser.fetch(second).status == 403


def test_going_on_never_opens_a_blocked_site(gateway: Gateway, origin: Origin, seat: str) -> None:
    url = "https://warn.example/page"
    with Browser(gateway, source=seat) as browser:
        real = button(browser.fetch(url), url)
        press(browser, real.replace("//warn.example", "//blocked.example"))
        assert browser.fetch("https://blocked.example/").status == 403
    assert not origin.contacted("blocked.example")


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/a\r\nSet-Cookie: x=1"]
)
def test_the_button_leads_nowhere_else(gateway: Gateway, seat: str, back: str) -> None:
    """No open redirect and no header injection through the way back."""
    from urllib.parse import quote

    url = "https://warn.example/page"
    with Browser(gateway, source=seat) as browser:
        real = button(browser.fetch(url), url)
        went = press(browser, re.sub(r"back=[^&]*", lambda _: f"back={quote(back)}", real))
    assert "evil.example" not in went.headers.get("location", "")
    assert "set-cookie" not in went.headers
    assert TEACHER not in went.text
