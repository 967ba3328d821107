"""Who is asking, on which machine? Evidence in, an `Identity` out.

Evidence is what we were told (an address, a password); an identity says what it proves. Knows nothing of policy,
lists, the host or a database: the directory of people is handed in as a value.
"""
