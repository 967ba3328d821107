"""Puts it together: command line, settings, workers, reload, doctor. Start here; nothing imports this room."""
