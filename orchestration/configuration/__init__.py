"""Settings that people change while the platform runs: written by operations, read by queries, watched by processes."""
