"""The laboratory: real origins, real certificates, a real gateway process and real clients, all on loopback.

Nothing in here imitates the product. A test gets an `Origin` (any host name answers there), a `Gateway` (the installed
`schoolgate` command on free ports) and clients that speak to it over sockets, each from a loopback address of its own
so that different addresses stand for different classrooms.
"""
