"""The fold and the decisions: everything that can happen to one execution."""

from .operator import ALLOWED, allowed_actions
from .run import Run
from .state import StepRun
from .waiting import Waiting

__all__ = ["ALLOWED", "Run", "StepRun", "Waiting", "allowed_actions"]
