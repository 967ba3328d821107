"""Programs that pin their certificate: learned from devices that trust us, suggested, passed unread once people say so.

Shows: `addons.refusals`, `proxy.bypassing`, `proxy.commands.bypass`.
"""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from tests.rig.certificates import Authority
from tests.rig.clients import Raw, curl, trusting
from tests.rig.gateway import Gateway
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e

APP = "api.app.example"
TABLETS = ("127.0.2.41", "127.0.2.42", "127.0.2.43")
"""Devices with our CA. Their app only takes the certificate of its own maker."""
VISITOR = "127.0.3.77"
"""A device without our CA."""


def browse(gateway: Gateway, source: str) -> None:
    """The device's browser opens a page: it trusts our CA."""
    assert curl(gateway, "https://open.example/page", source=source).status == 200


def start_app(gateway: Gateway, authority: Authority, source: str, host: str = APP) -> str:
    """The app asks its server and checks who answers; who that was."""
    makers = ssl.create_default_context(cafile=str(authority.pem))
    with Raw(gateway, source=source) as raw:
        assert raw.tunnel(f"{host}:443") == 200
        try:
            secure = raw.secure(host, makers)
        except ssl.SSLCertVerificationError:
            return "somebody else"
        raw.send(f"GET /page HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert raw.answer().status == 200
        return dict(pair for part in secure.getpeercert()["issuer"] for pair in part)["commonName"]


def suggested(gateway: Gateway) -> list[dict[str, Any]]:
    said = gateway.command("bypass", "suggestions", "--json")
    assert said.returncode == 0, said.stderr
    found: list[dict[str, Any]] = json.loads(said.stdout)
    return found


def test_from_the_first_refusal_to_the_app_that_works(
    make_gateway: Callable[..., Gateway], origin: Origin, authority: Authority
) -> None:
    """Two tablets are too few; the third makes the suggestion; a technician accepts, and the app is passed unread."""
    gateway = make_gateway().start()
    for number, tablet in enumerate(TABLETS, 1):
        browse(gateway, tablet)
        assert start_app(gateway, authority, tablet) == "somebody else"
        gateway.wait_for_rows(number, host=APP, ending="tls-refused")
        if number == 2:
            assert suggested(gateway) == []
    (one,) = wait_for(lambda: suggested(gateway), "a suggestion")
    assert (one["host"], one["devices"], one["staff_devices"], one["sites"]) == (APP, 3, 3, ["oakwood"])
    assert set(one["signs"]) <= {"unknown-ca", "bad-certificate", "certificate-unknown"}
    assert start_app(gateway, authority, TABLETS[0]) == "somebody else", "nothing passes before somebody says so"
    assert not origin.seen(APP)

    done = gateway.command("bypass", "accept", APP, "--site", "oakwood", "--for", "2d", "--reason", "the app pins it")
    assert done.returncode == 0, done.stderr
    assert start_app(gateway, authority, TABLETS[1]) == "Laboratory origins"
    (row,) = gateway.wait_for_rows(1, host=APP, ending="bypassed")
    assert (row["action"], row["rule"], row["tier"], row["path"]) == ("bypass", "override-1", "override", None)
    assert start_app(gateway, authority, VISITOR) == "somebody else", "the other school decided nothing"
    shown = gateway.command("overrides", "list", "--json")
    (decision,) = json.loads(shown.stdout)
    assert (decision["action"], decision["what"], decision["why"]) == ("bypass", f"host:{APP}", "the app pins it")


def test_a_device_without_our_ca_suggests_nothing(
    make_gateway: Callable[..., Gateway], origin: Origin, authority: Authority
) -> None:
    """It refuses everything; nor does a host that somebody's browser reads become a suggestion."""
    gateway = make_gateway(settings={"bypass": {"suggest_devices": 2}}).start()
    for visitor in (VISITOR, "127.0.3.78", "127.0.3.79"):
        assert start_app(gateway, authority, visitor) == "somebody else"
    for tablet in TABLETS:
        browse(gateway, tablet)
        assert start_app(gateway, authority, tablet, "open.example") == "somebody else"
        assert start_app(gateway, authority, tablet, "later.example") == "somebody else"
    wait_for(lambda: [one["host"] for one in suggested(gateway)] == ["later.example"], "the one pinned host")
    refused = gateway.command("bypass", "accept", APP, "--reason", "please")
    assert refused.returncode == 1
    assert "is not suggested" in refused.stderr
    assert gateway.command("bypass", "dismiss", "later.example", "--reason", "a game").returncode == 0
    assert suggested(gateway) == []


def test_an_app_that_looks_and_leaves_without_a_word_is_learned_too(
    make_gateway: Callable[..., Gateway], authority: Authority
) -> None:
    """Many programs finish the handshake, look at the certificate, and close."""
    gateway = make_gateway(settings={"bypass": {"suggest_devices": 2}}).start()
    for tablet in TABLETS[:2]:
        browse(gateway, tablet)
        with Raw(gateway, source=tablet) as raw:
            assert raw.tunnel(f"{APP}:443") == 200
            raw.secure(APP, trusting(gateway))
        with Raw(gateway, source=tablet) as raw, contextlib.suppress(OSError):
            assert raw.tunnel("gone.example:443") == 200
            raw.send(b"\x16\x03\x01")  # leaves before any certificate was shown
    (one,) = wait_for(lambda: suggested(gateway), "a suggestion")
    assert (one["host"], one["signs"]) == (APP, ["left"])
