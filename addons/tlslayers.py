"""TLS layers that write once: what the layers inside say in one go is sealed, and leaves, together.

Subclasses of the host's (mitmproxy 12.2.3). There, the head of an answer and its body become two records, two sends and
two packets, and every turn asks OpenSSL twice for bytes that are not there, each time by an exception. Here the bytes
are kept until the connection's handler takes them, at the end of the same turn, never later.
"""

from __future__ import annotations

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

ROOM = RECORD + 1024
"""A record sealed, and some more."""

_ffi: Any = SSL._ffi  # type: ignore[attr-defined]
_nothing: Any = _ffi.NULL
_room: Any = _ffi.new("char[]", ROOM)
"""What OpenSSL gives is copied out of here at once; the layers of a worker all live in one thread."""
_copied: Any = _ffi.buffer


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
        kept = self._kept
        if kept:
            plain = b"".join(kept)  # of one, that one, unless it is no `bytes`, which OpenSSL would not take
            kept.clear()
            try:
                _write(self.tls, plain)
            except (SSL.ZeroReturnError, SSL.SysCallError):
                return _taken(self.tls)  # as the host: the other may still send
        return _taken(self.tls)

    @property
    def speaks(self) -> bool:
        """Whether OpenSSL has something to say of which no command tells yet."""
        return not self._waiting and _held(self.tls._from_ssl) > 0

    def keep(self, data: bytes) -> Sealed | None:
        """Keep what is to be sent; the command that will take it, unless one is on its way already."""
        self._kept.append(data)
        if self._waiting:
            return None
        self._waiting = True
        return Sealed(self.conn, self)

    def tls_interact(self) -> layer.CommandGenerator[None]:
        """Send what OpenSSL has to say."""
        if self.speaks:
            self._waiting = True
            yield Sealed(self.conn, self)

    def send_data(self, data: bytes) -> layer.CommandGenerator[None]:
        """Send, with everything else of this turn."""
        command = self.keep(data)
        if command is not None:
            yield command

    def receive_data(self, data: bytes) -> layer.CommandGenerator[None]:
        """As the original, but OpenSSL is not asked again when it has been given nothing more, and what is no TLS ends
        the connection: it would be kept for ever, and whoever waits for an answer would wait as long."""
        if not self._broken:
            yield from self._heard(self.opened(data))

    def opened(self, data: bytes) -> Opened:
        """What these bytes say, decrypted."""
        connection = self.tls
        if data:
            _give(connection, data)
        plain: list[bytes] = []
        closed, trouble = False, None
        while True:
            try:
                part = _read(connection)
            except SSL.WantReadError:
                break
            except SSL.ZeroReturnError:
                closed = True
                break
            except SSL.Error as error:
                trouble = f"TLS Error: {error}"
                break
            plain.append(part)
            # A part that is less than there was room for ends its record: nothing of that is left.
            if not _held(connection._into_ssl) and (len(part) < RECORD or not connection.pending()):
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


@dataclass(slots=True, eq=False)
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


def _give(connection: SSL.Connection, data: bytes) -> None:
    """Bytes from the socket, as `bio_write` takes them; without its looks at what they are."""
    written = openssl.BIO_write(connection._into_ssl, data, len(data))
    if written <= 0:
        connection._handle_bio_errors(connection._into_ssl, written)


def _read(connection: SSL.Connection) -> bytes:
    """Plaintext of one record, as `recv` gives it; raises what that raises. It makes room for each record anew."""
    size = openssl.SSL_read(connection._ssl, _room, RECORD)
    if size <= 0:
        connection._raise_ssl_error(connection._ssl, size)
    return bytes(_copied(_room, size))


def _write(connection: SSL.Connection, plain: bytes) -> None:
    """Seal, as `sendall` does, which looks for errors after each success, too. Raises what that raises."""
    size = len(plain)
    if size > RECORD:
        connection.sendall(plain)
    elif size:
        sealed = openssl.SSL_write(connection._ssl, plain, size)
        if sealed <= 0:
            connection._raise_ssl_error(connection._ssl, sealed)
        if sealed < size:
            connection.sendall(plain[sealed:])


def _taken(connection: SSL.Connection) -> bytes:
    """Everything OpenSSL wants sent, as `bio_read` gives it: in one question where one is enough."""
    memory = connection._from_ssl
    size = openssl.BIO_read(memory, _room, ROOM)
    if size <= 0:
        return b""
    taken = bytes(_copied(_room, size))
    more = _held(memory) if size == ROOM else 0
    return taken + connection.bio_read(more) if more else taken


def _held(memory: Any) -> int:
    """Bytes in one of OpenSSL's memories."""
    return int(openssl.BIO_get_mem_data(memory, _nothing))


class GatewayServerTls(SealingLayer, tls.ServerTLSLayer):
    """TLS with an origin."""

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        """As the host's; a certificate that was revoked is called that."""
        done, trouble = yield from super().receive_handshake_data(data)
        return done, staples.in_words(trouble)
