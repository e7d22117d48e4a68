"""How long things take: distributions that turn one even draw into one time."""
