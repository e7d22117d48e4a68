"""Scenarios: files that say what to simulate, what is promised, and what to compare."""
