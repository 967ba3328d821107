"""Readers of other people's list formats: bytes in, entries and problems out."""
