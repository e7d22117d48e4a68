"""The benchmark: real workers on the configured database and broker, asked through the engine's own doors.

Nothing is shortened. Every execution is a row, is claimed by a shift, has its entries committed by the journal's writer
and its step runs projected; a measurement ends when the end of the last execution has been read back from the database.
"""
