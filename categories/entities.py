"""Character references of a page, bounded.

In comes text in which `&amp;`, `&#115;` and `&#x73;` stand for characters; out comes text with those characters. Linear
in the text, whatever stands in it: a number of ten thousand digits is no character, and zeros in front of one cost
nothing. Pure; never raises.
"""

from __future__ import annotations

import html
import re

_LARGEST = 7
"""Digits of the largest character there is, decimal; hexadecimal has fewer."""
_LONG = re.compile(r"&#([xX]?)(0*+)([0-9a-fA-F]*+);?")
_BEGUN = re.compile(r"&(?:#(?:[xX][0-9a-fA-F]*+|[0-9]*+)|[A-Za-z][A-Za-z0-9]{0,31})?\Z")
_NO_CHARACTER = "\ufffd"


def characters(text: str) -> str:
    """The text a reader sees."""
    if "&" not in text:
        return text
    if "&#" in text:
        text = _LONG.sub(_short, text)
    return html.unescape(text)


def begun(text: str) -> int:
    """Where a reference begins that the end of `text` cuts; the text's length when none does."""
    found = _BEGUN.search(text, max(0, text.rfind("&")))
    return len(text) if found is None else found.start()


def shortened(reference: str) -> str:
    """A cut reference that means the same and does not grow with its digits."""
    found = re.match(r"(&#[xX]?)(0*+)(.*)\Z", reference)
    if found is None:
        return reference
    return found[1] + found[2][:1] + found[3][: _LARGEST + 1]


def _short(found: re.Match[str]) -> str:
    sign, zeros, digits = found[1], found[2], found[3]
    if len(zeros) + len(digits) <= _LARGEST:
        return found.group()
    if not sign:  # decimal: what follows the digits is text, letters too
        ended = re.match(r"[0-9]*", digits)
        decimal = ended.group() if ended else ""
        rest = digits[len(decimal) :] + (";" if found.group().endswith(";") else "")
        rest = rest[1:] if rest == ";" else rest
        return (f"&#{decimal or '0'};" if len(decimal) <= _LARGEST else _NO_CHARACTER) + rest
    return f"&#{sign}{digits or '0'};" if len(digits) <= _LARGEST else _NO_CHARACTER
