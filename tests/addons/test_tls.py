"""TLS that cannot be made ends the connection; it never hangs and never passes."""

from __future__ import annotations

import ssl

import pytest

import addons.tls
from addons.leaves import Leaves
from tests.addons.host import Host
from tests.rig.clients import Raw, curl
from tests.rig.origin import Origin


def broken(*_: object) -> None:
    raise RuntimeError("broken on purpose")


def test_without_a_certificate_for_the_client_the_connection_ends(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host alone would leave the client waiting."""
    monkeypatch.setattr(Leaves, "connection", broken)
    with Raw(host, timeout=5) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            raw.secure(name)


def test_without_a_context_for_the_origin_the_client_gets_a_page(
    host: Host, origin: Origin, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the origin no request."""
    monkeypatch.setattr(addons.tls, "expect_name", broken)
    answer = curl(host, f"https://{name}/page", seconds=5)
    assert answer.status != 200
    assert answer.code != 28, "curl ran out of time"
    assert not origin.seen(name)


def test_a_ca_that_is_read_again_leaves_origins_in_reach(host: Host, name: str) -> None:
    """As a rotation does in a lesson: contexts that are in use already are not asked for anew."""
    assert curl(host, f"https://{name}/page", seconds=10).status == 200
    host.call(host.master.tls.read_authority)
    assert curl(host, f"https://{name}/page", seconds=10).status == 200


@pytest.mark.parametrize(
    "sni", ["xn--a.example", "a" * 60 + ".example", "-.example", "1.2.3.4", "UPPER.example", "a_b.example"]
)
def test_odd_names_in_a_hello_are_answered(host: Host, sni: str) -> None:
    """Within time: with a certificate, or closed; never silence."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        end = context.wrap_bio(incoming, outgoing, server_hostname=sni)
    except ValueError:
        pytest.skip("this Python will not even send it")
    with Raw(host, timeout=5) as raw:
        assert raw.tunnel("fine.example:443") == 200
        with pytest.raises(ssl.SSLWantReadError):
            end.do_handshake()
        raw.send(outgoing.read())
        try:
            assert raw.socket.recv(5)[:1] in (b"\x16", b"\x15", b"")
        except ConnectionResetError:
            pass
        except TimeoutError:
            pytest.fail("the client was left waiting")
