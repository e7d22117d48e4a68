"""The simulator's command; the only files of it that know Django."""
