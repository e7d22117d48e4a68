"""What the supervisors know of simulations: which task runs them, and whether any wait."""

from __future__ import annotations

from orchestration.engine import duties

TASK = "simulation.lab.tasks.work"


def register() -> None:
    """Have simulations looked after; to be called while the process starts."""
    from simulation.lab.claims import is_due

    duties.register(duties.Duty(TASK, is_due))


def call() -> None:
    """Have a worker look now. To be called after the commit."""
    duties.call(TASK)
