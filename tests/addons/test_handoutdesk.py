"""A device of a pupil's own asks for the certificate: before sign-in, before any rule, and no origin hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from addons.guard import refuse_destination
from addons.handout import Handout
from addons.handoutdesk import RULE
from proxy.cahandout import handed_out
from tests.addons.host import Host
from tests.rig.clients import Answer, Browser
from tests.rig.origin import Origin

NAME = "ca.schoolgate.internal"
PUPIL = "127.0.0.1"


@pytest.fixture(autouse=True)
def handing_out(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is there."""
    monkeypatch.setattr(host.live, "handout", handed_out(host.folder / "ca", NAME))


@pytest.fixture
def browser(host: Host) -> Iterator[Browser]:
    with Browser(host, source=PUPIL) as browser:  # type: ignore[arg-type]
        yield browser


def ask(browser: Browser, path: str = "/", scheme: str = "http", method: str = "GET") -> Answer:
    return browser.fetch(f"{scheme}://{NAME}{path}", method=method)


@pytest.mark.parametrize("sign_in", ["off", "optional", "required"])
def test_nobody_needs_to_sign_in_for_it(
    host: Host, browser: Browser, monkeypatch: pytest.MonkeyPatch, sign_in: str
) -> None:
    """A device that shows nothing but errors cannot sign in to read how to mend that."""
    monkeypatch.setattr(host.live, "sign_in", sign_in)
    told = ask(browser)
    assert (told.status, told.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"/windows" in told.body


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/windows", x509.load_der_x509_certificate),
        ("/android", x509.load_der_x509_certificate),
        ("/chromebook", x509.load_pem_x509_certificate),
        ("/linux", x509.load_pem_x509_certificate),
    ],
)
def test_a_device_gets_the_certificate_and_never_the_key(host: Host, browser: Browser, path: str, read) -> None:  # type: ignore[no-untyped-def]
    """The one that signs what this device will see."""
    told = ask(browser, path)
    assert told.status == 200
    assert b"PRIVATE" not in told.body
    assert read(told.body) == x509.load_pem_x509_certificate(Path(host.ca_cert).read_bytes())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/next/windows", 404), ("GET", "/../ca.pem", 404), ("POST", "/", 405)],
)
def test_there_is_nothing_else(browser: Browser, method: str, path: str, status: int) -> None:
    """No other file of the folder, and no other method."""
    assert ask(browser, path, method=method).status == status


def test_it_is_read_over_https_too_and_no_origin_hears_of_it(host: Host, browser: Browser, origin: Origin) -> None:
    """Browsers try HTTPS first; the name leads nowhere else, although every unknown name here leads to an origin."""
    assert ask(browser, scheme="https").status == 200
    assert ask(browser).status == 200
    assert not [arrived for arrived in origin.arrivals if arrived.host == NAME]
    assert refuse_destination(host.live, NAME, 443) == "own page"


def test_every_request_leaves_a_row(host: Host, browser: Browser) -> None:
    """Allowed, by the gateway itself."""
    before = len(host.rows())
    ask(browser, "/linux")
    row = host.rows()[before]
    assert (row.host, row.blocked, row.rule) == (NAME, False, RULE)


def test_a_failure_is_answered_and_goes_nowhere(
    host: Host, browser: Browser, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CA's folder cannot be read."""

    def unreadable() -> dict[str, object]:
        raise OSError("no such folder")

    monkeypatch.setattr(host.live, "handout", Handout(NAME, unreadable))  # type: ignore[arg-type]
    assert ask(browser).status == 503
    assert not [arrived for arrived in origin.arrivals if arrived.host == NAME]


def test_a_school_may_do_without(host: Host, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the name is one like any other."""
    monkeypatch.setattr(host.live, "handout", Handout())
    assert b"/windows" not in ask(browser).body
