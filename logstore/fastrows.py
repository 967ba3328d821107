"""Who makes bytes of rows: our own compiled code (`logstore.rowbytes`), or else msgpack and the driver.

Nothing comes in; out go two functions, or None in their place. The rule: both ways give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

type Values = Sequence[tuple[Any, ...]]

packed: Callable[[Values], list[bytes]] | None = None
"""Rows as msgpack packs each; see `logstore.rowbytes`."""
copied: Callable[[Values, bytes], bytes] | None = None
"""Rows as binary COPY takes them."""

try:
    from logstore import rowbytes

    if not hasattr(rowbytes.packed, "__code__"):  # else it is interpreted, and slower than what it stands in for
        packed, copied = rowbytes.packed, rowbytes.copied
except ImportError:  # mypyc's library of such writers comes with mypyc
    pass
