"""Rows as bytes, written without an object for each value: the form that is hashed, and PostgreSQL's for COPY.

In come rows as `log` takes them; out go their bytes. The rule: what comes out is what msgpack and the driver would have
made, byte for byte, or an error. For compiling (`logstore.fastrows` chooses): interpreted it costs far more than they.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from librt.strings import BytesWriter, write_i16_be, write_i32_be, write_i64_be
from mypy_extensions import i16, i32, i64, u8


def packed(rows: Sequence[tuple[Any, ...]]) -> list[bytes]:
    """Each row as msgpack packs it. Raises TypeError, ValueError or OverflowError for what it does not know."""
    writer = BytesWriter()
    ends: list[int] = []
    for row in rows:
        fields: i64 = len(row)
        if fields < 16:
            writer.append(u8(0x90 + fields))
        else:
            writer.append(0xDC)
            write_i16_be(writer, i16(fields))
        for value in row:
            if value is None:
                writer.append(0xC0)
            elif isinstance(value, bool):
                writer.append(0xC3 if value else 0xC2)
            elif isinstance(value, int):
                pack_number(writer, value)
            elif isinstance(value, str):
                pack_text(writer, value.encode())
            else:
                raise TypeError("neither a number nor a text")
        ends.append(len(writer))
    whole = writer.getvalue()
    made: list[bytes] = []
    begin = 0
    for end in ends:
        made.append(whole[begin:end])
        begin = end
    return made


def pack_text(writer: BytesWriter, text: bytes) -> None:
    """A text, its bytes given, as msgpack packs it."""
    size: i64 = len(text)
    if size < 32:
        writer.append(u8(0xA0 + size))
    elif size < 0x100:
        writer.append(0xD9)
        writer.append(u8(size))
    elif size < 0x10000:
        writer.append(0xDA)
        writer.append(u8(size >> 8))
        writer.append(u8(size & 0xFF))
    else:
        writer.append(0xDB)
        write_i32_be(writer, i32(size))
    writer.write(text)


def pack_number(writer: BytesWriter, number: i64) -> None:
    """A number as msgpack packs it."""
    if number >= 0:
        if number < 0x80:
            writer.append(u8(number))
        elif number < 0x100:
            writer.append(0xCC)
            writer.append(u8(number))
        elif number < 0x10000:
            writer.append(0xCD)
            writer.append(u8(number >> 8))
            writer.append(u8(number & 0xFF))
        elif number < 0x100000000:
            writer.append(0xCE)
            write_i32_be(writer, i32(number if number < 0x80000000 else number - 0x100000000))
        else:
            writer.append(0xCF)
            write_i64_be(writer, number)
    elif number >= -0x20:
        writer.append(u8(number & 0xFF))
    elif number >= -0x80:
        writer.append(0xD0)
        writer.append(u8(number & 0xFF))
    elif number >= -0x8000:
        writer.append(0xD1)
        write_i16_be(writer, i16(number))
    elif number >= -0x80000000:
        writer.append(0xD2)
        write_i32_be(writer, i32(number))
    else:
        writer.append(0xD3)
        write_i64_be(writer, number)


def copied(rows: Sequence[tuple[Any, ...]], widths: bytes) -> bytes:
    """The rows as binary COPY takes them; `widths` has each column's bytes: 8, 4, 2, 1 for a truth, 0 for a text.

    Raises TypeError, ValueError or OverflowError for a value that is none of its column.
    """
    writer = BytesWriter()
    fields: i64 = len(widths)
    for row in rows:
        if len(row) != fields:
            raise TypeError("a row has not a value for each column")
        write_i16_be(writer, i16(fields))
        for at, value in enumerate(row):
            width: i64 = widths[at]
            if value is None:
                write_i32_be(writer, -1)
            elif width == 0:
                if not isinstance(value, str):
                    raise TypeError("not a text")
                text = value.encode()
                write_i32_be(writer, i32(len(text)))
                writer.write(text)
            elif width == 1:
                write_i32_be(writer, 1)
                writer.append(1 if value else 0)
            else:
                if not isinstance(value, int):
                    raise TypeError("not a whole number")
                write_i32_be(writer, i32(width))
                number: i64 = value
                if width == 8:
                    write_i64_be(writer, number)
                elif width == 4:
                    if not -0x80000000 <= number <= 0x7FFFFFFF:
                        raise OverflowError("a number does not fit 32 bits")
                    write_i32_be(writer, i32(number))
                else:
                    if not -0x8000 <= number <= 0x7FFF:
                        raise OverflowError("a number does not fit 16 bits")
                    write_i16_be(writer, i16(number))
    return writer.getvalue()
