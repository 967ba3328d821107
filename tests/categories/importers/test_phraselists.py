"""Lists of format `phrases`: plain words, e2guardian's grammar, and folders as e2guardian ships them."""

from __future__ import annotations

import io
from pathlib import Path

from categories.model import Problem
from categories.parse import Entry, parse
from categories.scoring import PhraseKind
from categories.sources import ListFile, ListSource, list_files
from tests.categories.rig import OtherNames

TEXT = """# heading
plain words  # and a comment
"Quoted; words"
< One >,<two><40>
<three>
#listcategory: "Gambling"
.Include</etc/x>
<broken
"""


def test_both_ways_to_write_stand_in_one_file() -> None:
    """Words count by themselves; what stands in angle brackets counts together; the rest is told."""
    items = list(parse("phrases", io.BytesIO(TEXT.encode()), "list"))
    entries = [item for item in items if isinstance(item, Entry)]
    assert [(item.value, item.line, item.weight, item.scored and item.scored.kind) for item in entries] == [
        ("plain words", 2, 0, None),
        ("quoted words", 3, 0, None),
        ("< one >,<two><40>", 4, 40, PhraseKind.WEIGHTED),
        ("<three>", 5, 0, PhraseKind.BANNED),
    ]
    assert [item.line for item in items if isinstance(item, Problem)] == [7, 8]


def test_in_an_exception_list_what_has_no_weight_lets_a_text_pass() -> None:
    """Plain words there are whole words."""
    text = b"breast cancer\n<rshe>\n<school><-20>\n"
    items = [item for item in parse("exception-phrases", io.BytesIO(text), "list") if isinstance(item, Entry)]
    assert [(item.scored.parts, item.scored.kind.value) for item in items if item.scored] == [
        ((" breast cancer ",), "exception"),
        (("rshe",), "exception"),
        (("school",), "weighted"),
    ]


def test_a_folder_is_a_list_for_each_file(tmp_path: Path) -> None:
    """Category from `#listcategory` or the folder, kind from the file's name; other files and links are no lists."""
    for name, text in {
        "casino/weighted_x": '#listcategory: "Gambling (Danish)"\n<poker><5>\n',
        "goodphrases/exception": "<maths>\n",
        "README": "read me\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "casino" / "weighted_link").symlink_to("weighted_x")
    source = ListSource("e2g", tmp_path, "phrases", limit=90, apply_to=("url",))
    items = list(list_files(source, OtherNames({"Gambling": "gambling"})))
    files = [item for item in items if isinstance(item, ListFile)]
    assert [(file.name, file.category, file.format, file.limit, file.apply_to) for file in files] == [
        ("e2g/casino/weighted_x", "gambling", "phrases", 90, ("url",)),
        ("e2g/goodphrases/exception", "goodphrases", "exception-phrases", 90, ("url",)),
    ]
    assert [item.list for item in items if isinstance(item, Problem)] == ["e2g/README"]
