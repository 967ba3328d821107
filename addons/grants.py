"""Who has gone on after which warning: one empty file a grant, shared by every worker, kept across restarts.

In: a client, a scope, until when. Out: whether it holds. A grant is a file whose name is a keyed digest, so that the
folder tells nobody's browsing, and whose modification time is the moment it ends: one `stat` answers, no worker keeps a
copy that could grow stale, and what one worker granted holds in all of them at once. Asked only for `warn` verdicts.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path

from addons.proceed import GRANT_LIFE, Scope, client_key
from policy.client import Client

SWEEP_EVERY = timedelta(minutes=10)
"""How often granting also clears away what has ended."""


class Grants:
    """The grants in a folder (`data/run/grants`). Safe to use from several processes at once."""

    def __init__(self, folder: Path, secret: bytes) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._folder = folder
        self._secret = secret
        self._swept: datetime | None = None

    def grant(self, client: Client, scope: Scope, at: datetime) -> datetime:
        """Let `client` go on within `scope` for `GRANT_LIFE` and return the end. Raises `OSError` on a full disk."""
        until = at + GRANT_LIFE
        fresh = self._folder / f".{secrets.token_hex(8)}"
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)):
                os.utime(fresh, (until.timestamp(), until.timestamp()))
            fresh.replace(self._file(client, scope))
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        if self._swept is None or at - self._swept >= SWEEP_EVERY:
            self.sweep(at)
        return until

    def holds(self, client: Client, scope: Scope, at: datetime) -> bool:
        """Whether `client` may go on within `scope` at `at`. What cannot be read does not hold."""
        try:
            ends = self._file(client, scope).stat().st_mtime
        except OSError:
            return False
        # An end further away than any grant can be was not written by us, or the clock was wrong: warn again.
        return at.timestamp() < ends <= (at + GRANT_LIFE).timestamp()

    def sweep(self, at: datetime) -> int:
        """Remove grants that have ended; returns how many."""
        self._swept = at
        removed = 0
        with os.scandir(self._folder) as files:
            for file in files:
                with contextlib.suppress(FileNotFoundError):
                    # A file another worker is just making (dot name) ends "now": leave it to a later sweep.
                    spare = SWEEP_EVERY.total_seconds() if file.name.startswith(".") else 0.0
                    if file.stat(follow_symlinks=False).st_mtime + spare <= at.timestamp():
                        Path(file.path).unlink()
                        removed += 1
        return removed

    def _file(self, client: Client, scope: Scope) -> Path:
        text = json.dumps([client_key(client), scope.website, scope.rule])
        return self._folder / hmac.digest(self._secret, b"grant\0" + text.encode(), hashlib.sha256).hex()
