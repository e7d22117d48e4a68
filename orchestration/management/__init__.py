"""What the platform can do from the command line."""
