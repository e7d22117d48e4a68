"""The simulator as a Django app."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class SimulationConfig(AppConfig):
    """Hangs the simulations that wait to be run on the pulse."""

    name = "simulation"
    verbose_name = "Simulator"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the duty; nothing heavy is imported for it."""
        import_module("simulation.lab.duty").register()
