"""A world in simulated time: the domain's own runs, and round them services, workers, load and faults."""
