"""The scenario files: those that pin the language down, word for word, and further ones of our own."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
FOLDERS = (HERE / "scenarios", HERE / "further")
FILES = tuple(sorted(file for folder in FOLDERS for file in folder.glob("*.yaml")))
GIVEN = 86
"""How many scenarios the language came with."""
