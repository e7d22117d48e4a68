"""The fast path: one pool of equal servers by itself, without a workflow round it, at millions of jobs a second.

`waiting` answers for plain pools (first come first served, no end to the queue); `pool` for those with a limited room,
priorities, impatient callers, retries or closed users.
"""
