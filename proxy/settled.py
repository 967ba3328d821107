"""The host's options, read once: the host copies a value, deeply, whenever it is asked for it.

In come options as for the host's `Options` (mitmproxy 12.2.3), out come their values; those that cannot be changed from
outside (text, numbers, nothing) are kept until any option changes.
"""

from __future__ import annotations

from typing import Any

from mitmproxy import options

PLAIN = (str, int, float, bool, type(None))


class SettledOptions(options.Options):
    """Options that remember plain values."""

    def __init__(self) -> None:
        self.__dict__["_kept"] = {}  # not an option: the host takes every later assignment for one
        super().__init__()

    def __getattr__(self, name: str) -> Any:
        kept = self.__dict__.get("_kept")
        if kept is not None and name in kept:
            return kept[name]
        value = super().__getattr__(name)  # type: ignore[no-untyped-call]
        if kept is not None and isinstance(value, PLAIN):
            kept[name] = value
        return value

    def update_known(self, **values: Any) -> Any:
        """As the host's; who is told of a change reads the new values, and the old ones when it is taken back."""
        self._kept.clear()
        try:
            return super().update_known(**values)  # type: ignore[no-untyped-call]
        finally:
            self._kept.clear()

    def reset(self) -> None:
        """As the host's."""
        self._kept.clear()
        super().reset()  # type: ignore[no-untyped-call]
        self._kept.clear()
