"""What do we do about it? The policy and its one algorithm.

In comes a request, a client and a time; out comes a verdict that carries its evidence. Pure: no host, no database, no
clock, no I/O. Read the policy from the top; the first row that fits who, what, where and when decides.
"""
