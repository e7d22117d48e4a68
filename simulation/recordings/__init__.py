"""Recorded workflows on the machines that they ran on: a platform round them, calibrated, and how well it foretells."""
