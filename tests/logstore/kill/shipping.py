"""A shipper with small batches. Runs until it is killed.

python -m tests.logstore.kill.shipping <spool> <folder or postgresql://…> <status>
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from logstore.place import Database, is_database
from logstore.shipper import Shipper
from logstore.shipping import shipper_lock
from logstore.store import open_store


def main(spool: str, store: str, status: str) -> None:
    """Ship."""
    where = Database(store) if is_database(store) else Path(store)
    with shipper_lock(Path(spool)):
        Shipper(Path(spool), lambda: open_store(where), status=Path(status), rows=700).run(threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
