"""Expressions of the workflow language: CEL, behind one wrapper (https://cel.dev)."""

from __future__ import annotations

from .compiled import MAX_SAFE_INT, Expression, ExpressionInvalid, check_size, compile_expression, project
from .library import NAMES
from .operators import GROWTH, Fault
from .tree import Reads

__all__ = [
    "GROWTH",
    "MAX_SAFE_INT",
    "NAMES",
    "Expression",
    "ExpressionInvalid",
    "Fault",
    "Reads",
    "check_size",
    "compile_expression",
    "project",
]
