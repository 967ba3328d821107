"""What is it? Lists and matchers.

In comes a canonical URL or a text; out come the matches: category, list, entry and line. A list only classifies:
nothing in this room allows or blocks. It imports none of our other rooms, no host, no database, no network.
"""
