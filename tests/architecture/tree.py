"""The project's own files, as the architecture tests look at them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCT = ("config", "orchestration", "dashboard", "simulation", "loadtests")
FOLDERS = (*PRODUCT, "templates", "tests", "docs", ".ci")
LEFT_OUT = {"__pycache__", "migrations"}


def python_files(*folders: str) -> Iterator[Path]:
    """Yield the Python files of `folders`, migrations aside."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not LEFT_OUT & set(path.relative_to(ROOT).parts):
                yield path


def text_files() -> Iterator[Path]:
    """Yield every file of the project that is text."""
    yield from (path for path in sorted(ROOT.iterdir()) if path.is_file() and path.suffix != ".pyc")
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and _is_text(path):
                yield path


def named(path: Path) -> str:
    """Return the path as people write it."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of the file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every function of the file: where and what it is, and its lines."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield f"{named(path)}:{node.lineno} {node.name}", lines


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        return b"\0" not in file.read(4096)
