"""The seeded simulation of the engine's protocol: the real driver, in a world in which time and luck are one number.

A seed draws a world: workflows, a database in memory, an outside world, an operator, a supervisor, processes that run
shifts, and what goes wrong among them. Everything that happens stands in one timetable (timetable.py); a process is a
loop of its own on it (loop.py, process.py), which may stand still for a while or be gone from one instant to the next.
The code under test is the engine's own (`run_shift`, hence driver, held, journal, effects, heartbeat, pulse, and the
domain), handed ports of this world instead of the real ones.

A witness (witness.py) looks on at every change of the database and every call, and at the end, when the faults are
over and everything has had time to end (ending.py), it is asked what was wrong. The same seed gives the same trace,
byte for byte, in any process; so a failing seed is a bug report.
"""
