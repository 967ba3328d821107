"""Letters that are drawn like Latin ones. Pure data: in comes a letter, out goes the Latin letter it passes for.

By how letters look in ordinary type, written down by us for disguises people use in searches: Cyrillic, Greek and
Armenian letters, small capitals, letters with a stroke or hook, letters in filled circles and squares. What NFKC
unifies already (full width, mathematical, circled letters) is not here.
"""

from __future__ import annotations

_DRAWN_LIKE = {
    "a": "аɑαᴀ",
    "b": "вьβɓʙᴃ",
    "c": "сϲᴄƈ",
    "d": "ԁđɗᴅ",
    "e": "еεəɛᴇҽ",
    "f": "ғƒꜰ",
    "g": "ɡɠցɢ",
    "h": "һнհħʜң",
    "i": "іιıɨɪɩ",
    "j": "јյᴊ",
    "k": "кκқҝƙᴋ",
    "l": "ℓłӏʟᴌ",
    "m": "мᴍ",
    "n": "пոռηƞɲŋɴ",
    "o": "оοօøɵᴏɔ",
    "p": "рρƥᴘ",
    "q": "ԛզǫ",
    "r": "гяʀᴙ",
    "s": "ѕꜱ",
    "t": "тτŧƭᴛ",
    "u": "иυսμʉᴜц",
    "v": "νѵʋᴠ",
    "w": "ԝωѡшщաᴡ",
    "x": "хχ",
    "y": "уγүұʏ",
    "z": "ᴢƶ",
}
_ROWS_OF_LETTERS = (0x1F150, 0x1F170, 0x1F1E6)
"""Where A stands in letters in filled circles, in filled squares, and those flags are made of."""

LOOK_ALIKES: dict[int, str] = {
    **{ord(drawn): latin for latin, letters in _DRAWN_LIKE.items() for drawn in letters},
    **{first + place: chr(ord("a") + place) for first in _ROWS_OF_LETTERS for place in range(26)},
}
"""For `str.translate`."""
