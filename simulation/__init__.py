"""The simulator: the domain's own `Run`s, driven in simulated time, to plan capacity and to compare policies."""
