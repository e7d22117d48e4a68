"""Recorded scientific workflows (WfFormat 1.5) as definitions: read them, run them, and check what came of it.

A recorded task becomes a `service` step on the built-in python service `recorded-tasks.run`, which sleeps for the
recorded run time times the scale without holding a thread. So every task is a real attempt: it takes a slot, goes
through the client, has its start committed before the call and its answer after, and a `parallel_limit` bounds it as it
would bound work. A task that would sleep longer than a shift should hold an attempt (LONGEST_CALL) becomes a `delay`
step instead: its timer lies in the database and costs nothing while it waits.
"""
