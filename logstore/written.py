"""Rows of a batch as bytes, in one pass: the form that is hashed and the one for binary COPY, side by side.

In come rows of a spool and what their day is known to use; out go their id, offset and both forms. The rule: they are
what `logstore.rowbytes` makes of the rows `logstore.folding.folded` gives, byte for byte, or an error. A row's values
are looked at once, while the processor has them at hand, and never become a row of objects. For compiling
(`logstore.fastrows` chooses).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from librt.strings import BytesWriter, write_i16_be, write_i32_be, write_i64_be
from mypy_extensions import i16, i32, i64

from logstore.folding import ID_BITS, Known, looked_up
from logstore.ids import EPOCH_US
from logstore.rowbytes import pack_number, pack_text
from logstore.told import Ended, Group, Opened
from logstore.unread import Row, ended_of, opened_of

_EPOCH_US: Final = EPOCH_US
_COLUMNS: Final = 24
_FAR: Final = 1 << 62

type Written = tuple[int, int, bytes, bytes]
"""Id and offset of a row, the row as it is hashed, and as COPY takes it."""


def written(batch: Sequence[Row], known: Known) -> tuple[list[Any], list[int]]:
    """The rows, as `Written`, and the places of those that name something which is missing; their rows are empty.

    Raises TypeError, ValueError or OverflowError for a value that is none of its column.
    """
    packs, copies = BytesWriter(), BytesWriter()
    rows: list[Any] = []
    missed: list[int] = []
    for record, ending in batch:
        opened: Opened = record if isinstance(record, Opened) else opened_of(record)
        ended: Ended = ending if isinstance(ending, Ended) else ended_of(ending)
        whole, verdict, entry, media = looked_up(opened, ended, known)
        if not whole:
            missed.append(len(rows))
            rows.append(())
            continue
        record_id: i64 = opened.id
        time_us: i64 = opened.time_us
        if not -_FAR <= time_us <= _FAR:  # the difference below would wrap without a word
            raise OverflowError("a time does not fit beside that of an id")
        offset: i64 = time_us - (record_id >> ID_BITS) * 1000 - _EPOCH_US
        who, where, terms = opened.who, opened.where, opened.terms
        if not who.packed:
            _spell(who)
        packs.append(0xDC)
        write_i16_be(packs, _COLUMNS)
        write_i16_be(copies, _COLUMNS)
        _long(packs, copies, record_id)
        _long(packs, copies, offset)
        packs.write(who.packed)
        copies.write(who.copied)
        _number(packs, copies, where.numbers[0], 4)
        _number(packs, copies, where.numbers[1], 4)
        _number(packs, copies, verdict[0], 4)
        packs.write(who.packed_last)
        copies.write(who.copied_last)
        _number(packs, copies, entry, 4)
        _number(packs, copies, media, 4)
        blocked: i64 = verdict[1]
        pack_number(packs, blocked)
        write_i32_be(copies, 1)
        copies.append(1 if blocked != 0 else 0)
        _number(packs, copies, ended.status, 2)
        _number(packs, copies, ended.up, 8)
        _number(packs, copies, ended.down, 8)
        _number(packs, copies, ended.duration, 8)
        _text(packs, copies, opened.note)
        _text(packs, copies, ended.error)
        _text(packs, copies, ended.title)
        _text(packs, copies, json.dumps(terms, ensure_ascii=False) if terms else None)
        _text(packs, copies, opened.path)
        _text(packs, copies, opened.query)
        _number(packs, copies, ended.repeats or None, 4)
        rows.append((opened.id, offset, packs.getvalue(), copies.getvalue()))
        packs.truncate(0)
        copies.truncate(0)
    return rows, missed


def _spell(who: Group) -> None:
    """Have the numbers of who asked as bytes, the engine's by itself: they are the same in thousands of rows."""
    packs, copies = BytesWriter(), BytesWriter()
    for number in who.numbers[:4]:
        _number(packs, copies, number, 4)
    who.packed, who.copied = packs.getvalue(), copies.getvalue()
    packs.truncate(0)
    copies.truncate(0)
    _number(packs, copies, who.numbers[4], 4)
    who.packed_last, who.copied_last = packs.getvalue(), copies.getvalue()


def _long(packs: BytesWriter, copies: BytesWriter, number: i64) -> None:
    pack_number(packs, number)
    write_i32_be(copies, 8)
    write_i64_be(copies, number)


def _number(packs: BytesWriter, copies: BytesWriter, value: Any, width: i64) -> None:
    """A number of so many bytes, or NULL."""
    if value is None:
        packs.append(0xC0)
        write_i32_be(copies, -1)
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a whole number")
    number: i64 = value
    pack_number(packs, number)
    write_i32_be(copies, i32(width))
    if width == 8:
        write_i64_be(copies, number)
    elif width == 4:
        if not -0x80000000 <= number <= 0x7FFFFFFF:
            raise OverflowError("a number does not fit 32 bits")
        write_i32_be(copies, i32(number))
    else:
        if not -0x7FFF <= number <= 0x7FFF:
            raise OverflowError("a number does not fit 16 bits")
        write_i16_be(copies, i16(number))


def _text(packs: BytesWriter, copies: BytesWriter, value: Any) -> None:
    """A text, or NULL."""
    if value is None:
        packs.append(0xC0)
        write_i32_be(copies, -1)
        return
    if not isinstance(value, str):
        raise TypeError("not a text")
    text = value.encode()
    pack_text(packs, text)
    write_i32_be(copies, i32(len(text)))
    copies.write(text)
