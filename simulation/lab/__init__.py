"""The capacity lab: the simulator's Django side. Saved scenarios, runs in the background, their pages and their API.

Everything of `simulation` that knows Django lies here. The rest of the simulator knows nothing of it.
"""
