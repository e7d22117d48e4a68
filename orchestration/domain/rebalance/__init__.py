"""Which instances should move to other nodes, and in which order."""
