"""How states, times and values are said, and how elements are named: what everything shown has in common."""
