"""The record in ClickHouse, for a trust beyond one database server: the rows are here, names and books are not.

Filters, dimensions, cursors, holds and the audit trail stay in a catalog (PostgreSQL; on one machine SQLite) and are
those of `logstore`; here are connections, the writer, day partitions and what a question looks like in ClickHouse.
"""
