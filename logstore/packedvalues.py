"""Where the values of MessagePack lie in bytes, and what they are, without unpacking those nobody wants.

In come bytes and a place in them, out goes the value there, or the place behind it. The rule: only what the spool's
events have is known here (texts, numbers, truth, nothing, short arrays); of anything else ValueError is raised, and of
bytes that end too early IndexError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_extensions import i64

NIL: Final = 0xC0
"""The octet that says there is nothing."""


def begins(data: bytes, at: i64, begin: bytes) -> bool:
    """Whether these bytes lie at `at`; without a piece of its own to compare them with. Raises IndexError."""
    size: i64 = len(begin)
    place: i64 = 0
    while place < size:
        if data[at + place] != begin[place]:
            return False
        place += 1
    return True


def past_values(data: bytes, at: i64, values: i64) -> i64:
    """Where so many values end that begin at `at`. Raises ValueError for a kind that no field has, IndexError."""
    while values > 0:
        kind: i64 = data[at]
        if kind < 0x80 or kind >= 0xE0:
            at += 1
        elif kind < 0xA0:
            if kind < 0x90:
                raise ValueError("not a value that can be passed over")
            values += kind - 0x90
            at += 1
        elif kind < 0xC0:
            at += kind - 0x9F
        elif kind == 0xC0 or kind == 0xC2 or kind == 0xC3:  # noqa: PLR1714 - a tuple would be made for each
            at += 1
        elif kind == 0xD9:
            length: i64 = data[at + 1]
            at += 2 + length
        elif kind == 0xDA:
            at += 3 + _two(data, at + 1)
        elif 0xCC <= kind <= 0xCF:
            at += 1 + (1 << (kind - 0xCC))
        elif 0xD0 <= kind <= 0xD3:
            at += 1 + (1 << (kind - 0xD0))
        else:
            raise ValueError("not a value that can be passed over")
        values -= 1
    return at


def text_at(data: bytes, begin: i64, end: i64) -> str | None:
    """The text that lies there, or None. Raises ValueError when it is neither, or no UTF-8."""
    kind: i64 = data[begin]
    if kind == NIL:
        return None
    if 0xA0 <= kind < 0xC0:
        return data[begin + 1 : end].decode()
    if kind == 0xD9:
        return data[begin + 2 : end].decode()
    if kind == 0xDA:
        return data[begin + 3 : end].decode()
    raise ValueError("not a text")


def integer_at(data: bytes, at: i64) -> int:
    """The number at `at`, not negative. Raises ValueError when there is none."""
    kind: i64 = data[at]
    if kind < 0x80:
        return int(kind)
    if kind == 0xCC:
        return data[at + 1]
    if kind == 0xCD:
        return int(_two(data, at + 1))
    if kind == 0xCE:
        return int(_four(data, at + 1))
    if kind == 0xCF:
        upper, lower = _four(data, at + 1), _four(data, at + 5)
        return int(upper << 32 | lower) if upper < 0x80000000 else int.from_bytes(data[at + 1 : at + 9])
    raise ValueError("not a number")


def _two(data: bytes, at: i64) -> i64:
    upper: i64 = data[at]
    lower: i64 = data[at + 1]
    return upper << 8 | lower


def _four(data: bytes, at: i64) -> i64:
    return _two(data, at) << 16 | _two(data, at + 2)
