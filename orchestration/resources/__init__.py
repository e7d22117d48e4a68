"""Capacity: pools, nodes, allocations and quotas.

Until it has an issue of its own, a step's `resources` are checked with its definition and reserve nothing.
"""
