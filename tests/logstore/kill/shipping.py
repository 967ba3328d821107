"""A shipper with small batches. Runs until it is killed.

python -m tests.logstore.kill.shipping <spool> <store> <status>
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from logstore.shipper import Shipper
from logstore.shipping import shipper_lock
from logstore.store import Store


def main(spool: str, store: str, status: str) -> None:
    """Ship."""
    with shipper_lock(Path(spool)):
        Shipper(Path(spool), lambda: Store(Path(store)), status=Path(status), rows=700).run(threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
