"""When work arrives."""
