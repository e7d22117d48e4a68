"""On which node something runs: what a fleet looks like, who may stand where, and which place is the best."""
