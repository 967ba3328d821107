"""What a browser sends with a form: a request in, fields and files out, never more than a page takes.

The rules: the limit counts while the bytes arrive, whatever their number was said to be; a form is UTF-8, because
whoever sends it would otherwise choose the decoder, and some take quadratic time.
"""

from __future__ import annotations

import re

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

FIELDS = 200
"""Most fields of a form."""
_UTF8 = re.compile(r';\s*charset="?utf-?8"?\s*(?=;|$)', re.IGNORECASE)


class TooLong(Exception):
    """More was sent than is taken; says how much is."""


def is_utf8(content_type: str) -> bool:
    """Whether a form's Content-Type names no charset but UTF-8, in whatever way one can be named in it."""
    return "charset" not in _UTF8.sub("", content_type).lower()


async def read_form(request: Request, limit: int) -> tuple[dict[str, str], dict[str, bytes]]:
    """Fields and files of a form of at most `limit` bytes. Raises `TooLong`."""
    seen = 0

    async def receive() -> Message:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise TooLong(f"A form here has at most {limit // 1024:,} kB.")
        return message

    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    try:
        async with Request(request.scope, receive).form(max_files=4, max_fields=FIELDS, max_part_size=limit) as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    files[name] = await value.read()
                else:
                    fields[name] = value
    except HTTPException as error:
        raise TooLong(f"The form cannot be read: {error.detail}") from error
    return fields, files
