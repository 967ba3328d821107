"""What a client's failed handshake is called."""

from __future__ import annotations

from typing import Any

import pytest
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.test import tflow
from mitmproxy.tls import TlsData

from addons.handshakes import failure_of

LEFT = "The client disconnected during the handshake. If this happens consistently for a.example, it may not trust."


@pytest.mark.parametrize(
    ("said", "shown", "by_us", "kind", "error"),
    [
        (LEFT, False, False, "aborted", "half a ClientHello"),
        ("Cannot parse ClientHello: 16030100", False, False, "refused", "not a ClientHello"),
        ("connection closed early", False, False, "error", "no certificate"),
        ("connection closed early", True, False, "aborted", "left before the certificate"),
        (LEFT, True, False, "tls-refused", "tls"),
        (LEFT, True, True, "aborted", "half a handshake"),
        ("ssl/tls alert bad certificate", True, False, "tls-refused", "tls"),
        ("ssl/tls alert bad certificate", True, True, "tls-refused", "tls"),
        (None, True, False, "tls-refused", "tls"),
    ],
)
def test_only_who_was_shown_a_certificate_refused_it(
    said: str | None, shown: bool, by_us: bool, kind: str, error: str
) -> None:
    client = tflow.tclient_conn()
    client.error = said
    connection: Any = object() if shown else None
    data = TlsData(client, Context(client, Options()), ssl_conn=connection)
    assert failure_of(data, by_us=by_us) == (kind, error)
