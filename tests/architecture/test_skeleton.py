"""The top level is exactly what the design says."""

from __future__ import annotations

from tests.architecture.tree import ROOT

FILES = {"manage.py", "pyproject.toml", "constraints.txt", "Makefile", "README.md", ".gitignore"}
FOLDERS = {"docs", "config", "orchestration", "dashboard", "simulation", "loadtests", "templates", "tests", ".ci"}
LEFT_BY_TOOLS = {
    ".git",
    ".venv",
    ".podium",
    ".pytest_cache",
    ".ruff_cache",
    ".mypy_cache",
    ".hypothesis",
    ".import_linter_cache",
    "__pycache__",
}


def test_it_has_this_top_level_and_no_other():
    there = {path.name for path in ROOT.iterdir()} - LEFT_BY_TOOLS
    assert there == FILES | FOLDERS


def test_it_ignores_what_tools_leave():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert {f"{name}/" for name in LEFT_BY_TOOLS - {".git"}} <= set(ignored)
