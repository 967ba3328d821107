"""Names reach PostgreSQL as they are, whatever signs are in them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logstore.db import reading
from logstore.place import Database
from logstore.postgres.names import array
from logstore.postgres.store import PostgresStore

SIGNS = st.sampled_from("\\\"{},' \n\tNULaé☃") | st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def test_texts_come_back_as_they_went_in(database: Database) -> None:
    """Empty ones, NULL as a word, quotes, backslashes and braces; and none at all."""
    PostgresStore(database).close()
    with reading(database) as catalog:

        @given(texts=st.lists(st.text(SIGNS), max_size=20))
        @example(texts=[])
        @example(texts=[""])
        @example(texts=["NULL", "null", "\\", '"', "{", "}", ",", " "])
        def come_back(texts: list[str]) -> None:
            found = catalog.exec_driver_sql("SELECT unnest(%s::text[])", (array(texts),))
            assert list(found.scalars()) == texts

        come_back()


@pytest.mark.parametrize("texts", [["\0"], ["a", "b\0c"], ["\0", ""]])
def test_a_nul_is_refused(texts: list[str]) -> None:
    """It would end a name and begin another."""
    with pytest.raises(ValueError, match="NUL"):
        array(texts)


def test_what_is_no_row_of_texts_is_left_to_the_driver() -> None:
    for values in ([1, 2], [None, "a"], [True]):
        assert array(values) is values
