"""What may be concluded from simulated figures, and how sure it is."""
