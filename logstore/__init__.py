"""What happened? The record of every exchange.

In come `LogRecord`s (primitives only, so that old rows stay readable); they are appended to a local spool on the
request path and shipped to the store after. Downstream of everything and upstream of nothing.
"""
