"""Serves the console: settings in, a web server on its own port out; and the links that let the first person in.

The server is uvicorn, without the parts we do not use. Without a certificate it only listens on this machine.
"""

from __future__ import annotations

import logging
import socket
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from categories.names import NameProblem, canonical_host
from logstore.audit import record_change
from logstore.db import open_catalog, upgrade
from proxy.settings import Settings

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

logger = logging.getLogger(__name__)

LOCAL = ("localhost", "127.0.0.1", "::1")
"""Names of this machine, for itself."""


def serve(settings: Settings, port: int | None, *, under_run: bool) -> int:
    """Serve until SIGTERM or Ctrl-C. 0 after a clean stop. Raises `OSError` when the port is taken."""
    import uvicorn

    from console.app import make_app
    from console.kept import Kept
    from console.page import House
    from console.signin import SignIn
    from proxy.consoledoors import GatewayDoors

    told = settings.console
    upgrade(settings.catalog)
    catalog = open_catalog(settings.store)
    house = House(
        where=settings.store,
        catalog=catalog,
        doors=GatewayDoors(settings),
        signin=SignIn(catalog),
        zone=ZoneInfo(settings.record.timezone),
        clock=lambda: datetime.now(UTC),
        hosts=hosts(settings),
        kept=Kept(aside=True),
    )
    listening = _listen(told.host, told.port if port is None else port, shared=under_run)
    base = address(settings, listening.getsockname()[1])
    link = fresh_link(settings, None, base)
    if link is not None:
        print(f"console: there is no account yet. Make the first one, within the hour: {link}", file=sys.stderr)
    elif not under_run:
        print(f"console: {base}/", file=sys.stderr)
    config = server_config(make_app(house, secure=told.certificate is not None), settings)
    uvicorn.Server(config).run(sockets=[listening])
    catalog.dispose()
    return 0


def server_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How the server treats connections: what it takes, how many, and for how long."""
    import uvicorn

    from proxy.consoleclients import Client

    return uvicorn.Config(
        app,
        http=Client,
        log_level="warning",
        log_config=None,  # into the log of the process, which leaves out what exceptions say
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_keep_alive=15,
        timeout_graceful_shutdown=2,
        limit_concurrency=256,
        h11_max_incomplete_event_size=64 * 1024,
        ssl_certfile=settings.console.certificate,
        ssl_keyfile=settings.console.key,
    )


def fresh_link(settings: Settings, name: str | None, base: str | None = None) -> str | None:
    """A link that works once: for the first account, or for `name` to choose a password; None when there is no such."""
    from console import accounts, links

    upgrade(settings.catalog)
    engine, now = open_catalog(settings.store), datetime.now(UTC)
    try:
        with engine.begin() as connection:
            if name is None:
                secret = links.first_run(connection, now)
            else:
                known = accounts.find(connection, name)
                secret = None if known is None else links.make(connection, known.id, now)
                if known is not None:
                    what = {"what": "console.account.link", "subject": known.name, "why": "schoolgate console --reset"}
                    record_change(connection, who="cli", at=now, **what)
    finally:
        engine.dispose()
    return None if secret is None else f"{base or address(settings, settings.console.port)}/first?key={secret}"


def hosts(settings: Settings) -> frozenset[str]:
    """The names the console answers to."""
    names = {*LOCAL, *settings.console.names}
    if settings.console.host not in {"0.0.0.0", "::"}:  # noqa: S104
        names.add(settings.console.host)
    found = set()
    for name in names:
        try:
            found.add(canonical_host(name))
        except NameProblem:
            found.add(name.lower())
    return frozenset(found)


def address(settings: Settings, port: int) -> str:
    """How a browser reaches it."""
    told = settings.console
    name = told.names[0] if told.names else told.host
    name = "127.0.0.1" if name in {"0.0.0.0", "::"} else name  # noqa: S104
    name = f"[{name}]" if ":" in name else name
    return f"{'http' if told.certificate is None else 'https'}://{name}:{port}"


def _listen(host: str, port: int, *, shared: bool) -> socket.socket:
    """The port, listening. `shared`: the gateway holds it already, so that nobody else takes it between restarts."""
    end = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        end.bind((host, port))
        end.listen(128)
    except OSError as error:
        end.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port} (console.port): {error.strerror}") from error
    return end
