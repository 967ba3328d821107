"""What a newcomer sees when the gateway is up: four things to try, and where everything is."""

from __future__ import annotations

from proxy.ca import CaStatus
from proxy.consoleserver import address
from proxy.settings import Settings


def what_to_try(
    settings: Settings, proxy_port: int, metrics_port: int, authority: CaStatus, console_port: int = 0
) -> str:
    """The text printed once every worker listens."""
    host = settings.proxy.host if settings.proxy.host not in ("", "0.0.0.0", "::") else "127.0.0.1"  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    proxy = f"http://{host}:{proxy_port}"
    certificate = authority.cert
    console = f"\nThe console: {address(settings, console_port)}/" if settings.console.enabled else ""
    return f"""
Schoolgate is up: proxy {proxy}, metrics http://{settings.metrics.host}:{metrics_port}/metrics{console}
Nobody is signed in, so the strictest band decides. Try, in another terminal:

  1. an allowed page      curl -x {proxy} --cacert {certificate} https://www.bbc.co.uk/bitesize
  2. a blocked page       curl -x {proxy} http://games.schoolgate.test/
     the same inside TLS  curl -x {proxy} --cacert {certificate} https://games.schoolgate.test/
  3. the record of both   .venv/bin/schoolgate log search --fresh
  4. and why              .venv/bin/schoolgate explain https://games.schoolgate.test/

Trust {certificate} on devices. Ctrl-C stops everything.
"""
