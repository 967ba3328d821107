"""The host's translators: flow to our words, one call, and back to the flow.

An addon with a second idea belongs in a room below. None opens a database, none reads an option per request, none lets
an exception decide.
"""
