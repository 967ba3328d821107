"""Who makes bytes of rows: our own compiled code (`logstore.rowbytes`), or else msgpack and the driver.

Nothing comes in; out go functions, or None in their place. The rule: both ways give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logstore.folding import Known
    from logstore.unread import Row

type Values = Sequence[tuple[Any, ...]]

packed: Callable[[Values], list[bytes]] | None = None
"""Rows as msgpack packs each; see `logstore.rowbytes`."""
copied: Callable[[Values, bytes], bytes] | None = None
"""Rows as binary COPY takes them."""


def writer() -> Callable[[Sequence[Row], Known], tuple[list[Any], list[int]]] | None:
    """What makes both kinds of bytes of the rows of a batch in one pass, see `logstore.written`; None without it."""
    if packed is None:
        return None
    from logstore.written import written  # which needs what needs this

    return written


try:
    from logstore import rowbytes

    if not hasattr(rowbytes.packed, "__code__"):  # else it is interpreted, and slower than what it stands in for
        packed, copied = rowbytes.packed, rowbytes.copied
except ImportError:  # mypyc's library of such writers comes with mypyc
    pass
