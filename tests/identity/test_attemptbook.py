"""What one worker writes down of wrong passwords, every worker reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from identity.attemptbook import WAYS, AttemptBook, Entry, region

SECRET = b"k" * 32
ENTRY = Entry(3, True, 1_763_000_000_000_000, 5)


def books(count: int, places: int = 4) -> list[AttemptBook]:
    memory = memoryview(bytearray(region(places) * count))
    return [AttemptBook(memory, number, SECRET, places) for number in range(count)]


def test_every_worker_reads_what_one_wrote() -> None:
    """And of each worker only what it wrote last."""
    one, two = books(2)
    assert one.read("teacher", "10.4.1.7") == []
    one.write("teacher", "10.4.1.7", ENTRY)
    assert two.read("teacher", "10.4.1.7") == [ENTRY]
    two.write("teacher", "10.4.1.7", ENTRY._replace(wrong=4))
    one.write("teacher", "10.4.1.7", ENTRY._replace(wrong=5, welcome=False))
    assert [entry.wrong for entry in two.read("teacher", "10.4.1.7")] == [5, 4]
    assert two.read("teacher", "10.4.1.8") == two.read("", "10.4.1.7") == []


def test_an_account_and_an_address_do_not_run_together() -> None:
    """What is written of `ab` at `c` says nothing of `a` at `bc`."""
    (book,) = books(1)
    book.write("ab", "c", ENTRY)
    assert book.read("a", "bc") == book.read("", "abc") == []


def test_the_least_recently_touched_is_forgotten_first() -> None:
    """Where all entries of a place are taken."""
    (book,) = books(1, places=1)
    for number in range(WAYS + 1):
        book.write(f"pupil-{number}", "10.4.1.7", ENTRY._replace(touched=100 - number if number < WAYS else 200))
    kept = [number for number in range(WAYS + 1) if book.read(f"pupil-{number}", "10.4.1.7")]
    assert kept == [0, 1, 2, 3, 4, 5, 6, WAYS]


@given(st.lists(st.tuples(st.text(max_size=8), st.sampled_from(["10.4.1.7", "::1"]), st.integers(0, 2**40))))
def test_what_is_read_was_written(steps: list[tuple[str, str, int]]) -> None:
    """Or was forgotten; never another's, whatever the names."""
    (book,) = books(1, places=2)
    truth: dict[tuple[str, str], Entry] = {}
    for name, address, wrong in steps:
        truth[name, address] = entry = Entry(min(wrong, 2**32 - 1), False, wrong, 0)
        book.write(name, address, entry._replace(wrong=wrong))
    for (name, address), entry in truth.items():
        assert book.read(name, address) in ([entry], [])
