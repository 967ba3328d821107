"""A change takes effect on what is already open: tunnels, WebSockets, streams; and on nothing else."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from addons.recheck import recheck
from policy.client import Client
from policy.engine import Engine
from policy.model import Request, Verdict
from policy.rules import load_policy
from proxy import assembly
from tests.addons.host import POLICY, Host
from tests.addons.people import EVERYBODY, PASSWORD, PUPIL, TEACHER, disabled, put_in_force
from tests.rig.clients import Browser, Raw, basic
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

WARNED = "chat.schoolgate.test"


@pytest.fixture(autouse=True)
def as_it_was(host: Host) -> Iterator[None]:
    """The policy and the register of the start, before and after."""
    engine = host.live.engine
    put_in_force(host, *EVERYBODY, revision="everybody")
    yield
    host.call(lambda: setattr(host.live, "engine", engine))


def with_rule(host: Host, rule: str) -> None:
    """Put a policy in force that has one more rule, read first."""
    text = POLICY.replace("    rules:\n", f"    rules:\n      - {rule}\n")
    taxonomy = assembly.load_taxonomy()
    policy = load_policy(text, file="policy.yaml", categories=taxonomy)
    engine = type(host.live.engine)(host.live.engine.index, policy)
    host.call(lambda: setattr(host.live, "engine", engine))


def look_again(host: Host) -> int:
    """What the worker does after every change."""
    assert host.master is not None
    master = host.master
    return host.call(lambda: recheck(host.live, list(master.server.connections.values())))


HELLO, ECHO = b"\x81\x85\0\0\0\0hello", b"\x81\x05hello"
"""A text frame as a client sends it (RFC 6455 5.2, mask of zeros) and as the origin sends it back."""


@contextlib.contextmanager
def websocket(host: Host, name: str, *, sign_in: str | None = None, claimed: str = "") -> Iterator[Raw]:
    """An open WebSocket through the gateway, inside TLS."""
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13"
    with Raw(host) as raw:
        assert raw.tunnel(f"{name}:443", sign_in=sign_in) == 200
        raw.secure(name)
        upgrade = f"Host: {claimed or name}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}"
        raw.send(f"GET /websocket HTTP/1.1\r\n{upgrade}\r\n\r\n".encode())
        assert raw.read_head().startswith(b"HTTP/1.1 101")
        assert not is_cut(raw)
        yield raw


def is_cut(raw: Raw) -> bool:
    """Whether the gateway closed this WebSocket."""
    received = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        raw.send(HELLO)
        while len(received) < len(ECHO) and (piece := raw.socket.recv(len(ECHO))):
            received += piece
    return received != ECHO


@pytest.mark.parametrize(
    ("rule", "cut"),
    [
        ("{{rule: closed, what: ['host:{name}'], action: block}}", True),
        ("{{rule: think-first, what: ['host:{name}'], action: warn}}", True),
        ("{{rule: elsewhere, what: ['host:elsewhere.example'], action: block}}", False),
        ("{{rule: others, who: [ks2], what: ['host:{name}'], action: block}}", False),
    ],
)
def test_a_new_policy_reaches_open_websockets(host: Host, name: str, rule: str, cut: bool) -> None:
    """Design 5.12: what is closed now is cut, everything else goes on."""
    with websocket(host, name) as end:
        with_rule(host, rule.format(name=name))
        assert look_again(host) == cut
        assert is_cut(end) is cut
    (row,) = [row for row in host.rows() if row.host == name]
    ending = wait_for(lambda: host.endings().get(row.id), "its ending")
    assert (ending.kind, ending.error) == ("websocket", "no longer allowed" if cut else None)


def test_a_name_it_only_claimed_closes_it_too(host: Host, name: str) -> None:
    """The strictest of what it claims to be, also on the second look."""
    with websocket(host, name, claimed=f"other-{name}") as end:
        with_rule(host, f"{{rule: closed, what: ['host:other-{name}'], action: block}}")
        assert look_again(host) == 1
        assert is_cut(end)


def test_a_bug_on_one_connection_ends_that_one_and_the_others_are_still_looked_at(host: Host, name: str) -> None:
    """Design 5.1: what cannot be decided again is cut; what is closed on another connection is cut all the same."""

    class Odd:  # not an heir: a compiled engine has none
        def __init__(self, engine: Engine) -> None:
            self.engine = engine

        def __getattr__(self, name: str) -> Any:
            return getattr(self.engine, name)

        def decide(self, request: Request, client: Client, at: datetime) -> Verdict:
            if request.url.host.startswith("odd-"):
                raise ZeroDivisionError
            return self.engine.decide(request, client, at)

    with websocket(host, f"odd-{name}") as odd, websocket(host, name) as other, websocket(host, f"fine-{name}") as fine:
        with_rule(host, f"{{rule: closed, what: ['host:{name}'], action: block}}")
        changed = host.live.engine
        host.call(lambda: setattr(host.live, "engine", Odd(changed)))
        assert look_again(host) == 2
        assert [is_cut(end) for end in (odd, other, fine)] == [True, True, False]


@pytest.mark.parametrize(
    ("register", "cut"),
    [((disabled(PUPIL), TEACHER), True), ((TEACHER,), True), ((PUPIL, disabled(TEACHER)), False)],
    ids=["disabled", "gone", "somebody else"],
)
@pytest.mark.parametrize("what", ["websocket", "stream"])
def test_who_may_not_browse_any_more_is_cut(host: Host, name: str, register: Any, cut: bool, what: str) -> None:
    """B-21: a film that is playing stops, not only the next page."""
    who = basic(PUPIL.name, PASSWORD)
    if what == "websocket":
        with websocket(host, name, sign_in=who) as end:
            put_in_force(host, *register, revision=f"changed-{name}")
            assert look_again(host) == cut
            assert is_cut(end) is cut
        return
    with Raw(host) as raw:
        lines = [f"GET http://{name}/slow?pieces=10&pause=0.1 HTTP/1.1", f"Host: {name}", f"Proxy-Authorization: {who}"]
        raw.send("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        assert b"200" in raw.read_head()
        put_in_force(host, *register, revision=f"changed-{name}")
        assert look_again(host) == cut
        assert (len(raw.read_all()) < 100) is cut
    ending = wait_for(lambda: host.endings().get(host.rows()[-1].id), "the ending")
    assert str(ending.kind) == ("aborted" if cut else "response")


def test_who_went_on_past_a_warning_is_not_thrown_out(host: Host, seat: str) -> None:
    """Somebody else's change must not end a conversation that was allowed."""
    from tests.addons.test_warnings import button

    with Browser(host, source=seat) as browser:
        url = f"http://{WARNED}/page"
        assert browser.fetch(button(browser.fetch(url)), method="POST", body=b"").status == 303
        with Raw(host, source=seat) as raw:
            raw.send(f"GET http://{WARNED}/slow?pieces=3&pause=0.2 HTTP/1.1\r\nHost: {WARNED}\r\n\r\n".encode())
            assert b"200" in raw.read_head()
            put_in_force(host, *EVERYBODY, revision=f"changed-{seat}")
            assert look_again(host) == 0


def test_a_tunnel_is_cut_when_it_is_to_be_decrypted(host: Host, origin: Origin, authority: Any) -> None:
    """A bank that is no bank any more."""
    with Raw(host) as raw:
        assert raw.tunnel("bank.example:443") == 200
        raw.secure("bank.example", ssl.create_default_context(cafile=str(authority.pem)))
        assert look_again(host) == 0
        with_rule(host, "{rule: no-bank, what: ['host:bank.example'], action: allow}")
        assert look_again(host) == 1
        assert raw.read_all() == b""
    row = next(row for row in reversed(host.rows()) if row.host == "bank.example")
    assert wait_for(lambda: host.endings().get(row.id), "the ending").kind == "bypassed"


def test_an_idle_connection_is_left_alone(host: Host, name: str) -> None:
    """Its next request is decided anew anyway."""
    with Browser(host) as browser:
        assert browser.fetch(f"http://{name}/page").status == 200
        with_rule(host, f"{{rule: closed, what: ['host:{name}'], action: block}}")
        assert look_again(host) == 0
        assert browser.fetch(f"http://{name}/page").status == 403
