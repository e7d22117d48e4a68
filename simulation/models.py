"""All rows of the simulator, where Django looks for them."""

from __future__ import annotations

from simulation.lab.models import Batch, SavedScenario, SimulationRun

__all__ = ["Batch", "SavedScenario", "SimulationRun"]
