"""The rules of Podium: what happens next, and nothing of how, when or where it is carried out.

Plain Python: no framework, no I/O, no clock, no chance. Instants are whole microseconds since the Unix epoch (UTC),
durations are whole microseconds; the shell that runs a rule passes `now`.
"""
