"""Drawing workflows on the server: what is drawn (shape), where (layers, layout), and in which state (picture)."""
