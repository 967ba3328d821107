"""TLS layers that write once: what the layers inside say in one go is sealed, and leaves, together.

Subclasses of the host's (mitmproxy 12.2.3). There, the head of an answer and its body become two records, two sends and
two packets, and every turn asks OpenSSL twice for bytes that are not there, each time by an exception. Here the bytes
are kept until the connection's handler takes them, at the end of the same turn, never later.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import Any

from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.proxy import commands, events, layer, tunnel
from mitmproxy.proxy.layers import tls
from OpenSSL import SSL

from addons import staples
from addons.leaves import openssl

RECORD = 16_384
"""Most bytes of one record (RFC 8446 §5.1)."""

_nothing: Any = SSL._ffi.NULL  # type: ignore[attr-defined]
_room: Any = SSL._ffi.new("char[]", RECORD)  # type: ignore[attr-defined]
"""What is read is copied out of here at once; the layers of a worker all live in one thread."""


class Sealed(commands.SendData):
    """Bytes to send that are sealed when they are taken: later ones may have joined them by then."""

    def __init__(self, connection: Connection, sealer: SealingLayer) -> None:
        self.connection = connection
        self._sealer = sealer

    @property
    def data(self) -> bytes:  # type: ignore[override]
        """Seal and take. Once: what comes after is another command's."""
        return self._sealer.seal()

    def __repr__(self) -> str:
        return f"Sealed({self.connection})"  # the host's looks at the bytes


class SealingLayer(tls.TLSLayer):
    """A TLS layer that keeps what it is to send until it is taken."""

    _waiting = False
    """Whether a command is on its way that will take what is kept."""
    _broken = False
    _kept: list[bytes]

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._kept = []

    def seal(self) -> bytes:
        """Everything that is to be sent now, as records."""
        self._waiting = False
        if self._kept:
            plain, self._kept = b"".join(self._kept), []
            with contextlib.suppress(SSL.ZeroReturnError, SSL.SysCallError):  # as the host: the other may still send
                self.tls.sendall(plain)
        size = _held(self.tls._from_ssl)
        return self.tls.bio_read(size) if size else b""

    def _take_later(self) -> layer.CommandGenerator[None]:
        if not self._waiting:
            self._waiting = True
            yield Sealed(self.conn, self)

    def tls_interact(self) -> layer.CommandGenerator[None]:
        """Send what OpenSSL has to say."""
        if self._waiting or _held(self.tls._from_ssl):
            yield from self._take_later()

    def send_data(self, data: bytes) -> layer.CommandGenerator[None]:
        """Send, with everything else of this turn."""
        self._kept.append(data)
        yield from self._take_later()

    def receive_data(self, data: bytes) -> layer.CommandGenerator[None]:
        """As the original, but OpenSSL is not asked again when it has been given nothing more, and what is no TLS ends
        the connection: it would be kept for ever, and whoever waits for an answer would wait as long."""
        if not self._broken:
            yield from self._heard(self.opened(data))

    def opened(self, data: bytes) -> Opened:
        """What these bytes say, decrypted."""
        if data:
            self.tls.bio_write(data)
        plain: list[bytes] = []
        closed, trouble = False, None
        while True:
            try:
                plain.append(_read(self.tls))
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                closed = True
                break
            except SSL.Error as error:
                trouble = f"TLS Error: {error}"
                break
            if not _held(self.tls._into_ssl) and not self.tls.pending():
                break
        return Opened(self, plain[0] if len(plain) == 1 else b"".join(plain), closed, trouble)

    def _heard(self, said: Opened) -> layer.CommandGenerator[None]:
        self._broken = said.trouble is not None
        if said.trouble is not None:
            yield commands.Log(said.trouble, logging.WARNING)
        yield from self.tls_interact()
        if said.plain:
            yield from self.event_to_child(events.DataReceived(self.conn, said.plain))
        if said.closed:
            self.conn.state &= ~ConnectionState.CAN_READ
            yield from self.event_to_child(events.ConnectionClosed(self.conn))
        if self._broken:
            yield commands.CloseConnection(self.conn)

    def receive_close(self) -> layer.CommandGenerator[None]:
        """As the original, which takes it that whoever is inside knows. Of an alert nobody has told them: OpenSSL
        counts it as an end, and who waits for an answer would wait on."""
        if self._broken:
            yield from tunnel.TunnelLayer.receive_close(self)
        else:
            yield from super().receive_close()

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if type(event) is Opened and event.by is self:
            yield from self._heard(event)
        elif type(event) is Said and event.to is self:
            yield from self._handle_command(event.command)
        else:
            yield from super()._handle_event(event)

    @property
    def at_rest(self) -> bool:
        """Whether it waits for nothing: neither for an answer nor in a handshake."""
        return self._paused is None and self.tunnel_state is not tunnel.TunnelState.ESTABLISHING

    @property
    def broken(self) -> bool:
        """Whether what came was no TLS."""
        return self._broken


@dataclass(frozen=True, slots=True)
class Opened(events.Event):
    """What one of the layers has decrypted."""

    by: SealingLayer
    """Which."""
    plain: bytes
    """What was said."""
    closed: bool
    """Whether the other end says no more."""
    trouble: str | None
    """What was no TLS."""


@dataclass(frozen=True, slots=True)
class Said(events.Event):
    """A command of the layer inside, brought to one of the layers as if it had come from there."""

    to: SealingLayer
    """Which."""
    command: commands.Command
    """What is to be done."""


def _read(tls_connection: SSL.Connection) -> bytes:
    """Plaintext of one record, as `recv` gives it; raises what that raises. It makes room for each record anew."""
    size = openssl.SSL_read(tls_connection._ssl, _room, RECORD)
    if size <= 0:
        tls_connection._raise_ssl_error(tls_connection._ssl, size)
    return bytes(SSL._ffi.buffer(_room, size))  # type: ignore[attr-defined]


def _held(memory: Any) -> int:
    """Bytes in one of OpenSSL's memories."""
    return int(openssl.BIO_get_mem_data(memory, _nothing))


class GatewayServerTls(SealingLayer, tls.ServerTLSLayer):
    """TLS with an origin."""

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        """As the host's; a certificate that was revoked is called that."""
        done, trouble = yield from super().receive_handshake_data(data)
        return done, staples.in_words(trouble)
