"""Compiled modules: taken only where they were made of the very text that lies there."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config import compiled, compiling

LOADED = """
import os
import sys
from pathlib import Path
from config import compiled
os.environ["PODIUM_COMPILED"] = sys.argv[3]
compiled.ROOT, compiled.BUILDS = Path(sys.argv[1]), Path(sys.argv[2])
sys.path.insert(0, sys.argv[1])
sys.path_importer_cache.clear()
used = compiled.use()
from orchestration.domain import ids
print(used, ids.twice(4), Path(ids.__file__).suffix)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that consists of one module, and a place for what is compiled of it."""
    root = tmp_path / "project"
    (root / "orchestration" / "domain").mkdir(parents=True)
    for package in ("orchestration", "orchestration/domain"):
        (root / package / "__init__.py").touch()
    write(root, 2)
    monkeypatch.setattr(compiled, "ROOT", root)
    monkeypatch.setattr(compiling, "ROOT", root)
    monkeypatch.setattr(compiled, "BUILDS", tmp_path / "builds")
    return root


def write(root: Path, factor: int) -> None:
    text = f"def twice(number: int) -> int:\n    return number * {factor}\n"
    (root / "orchestration" / "domain" / "ids.py").write_text(text, encoding="ascii")


def loaded(root: Path, *, compiled_ones: str = "1") -> str:
    """What a new process of the project loads, which has not taken the platform's own modules."""
    command = [sys.executable, "-c", LOADED, str(root), str(compiled.BUILDS), compiled_ones]
    found = subprocess.run(
        command,
        cwd=Path(__file__).parents[3],
        env={"PODIUM_COMPILED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.strip()


def test_it_compiles_files_that_are_there():
    found = {str(each) for each in compiled.sources()}
    assert {"orchestration/domain/run/run.py", "simulation/world/shell.py"} <= found
    assert not [each for each in found if each.endswith(("__init__.py", "policy.py"))]


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here")
def test_it_is_loaded_until_its_text_changes(project: Path):
    assert loaded(project) == "False 8 .py"
    compiling.build(compiled.folder())
    assert loaded(project) == "True 8 .so"
    assert loaded(project, compiled_ones="0") == "False 8 .py"
    write(project, 3)
    assert loaded(project) == "False 12 .py"
    write(project, 2)
    assert loaded(project) == "True 8 .so"


def test_it_leaves_nothing_of_a_build_that_failed(project: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CC", "false")
    with pytest.raises(compiling.NotCompiled):
        compiling.build(compiled.folder())
    assert list(compiled.BUILDS.iterdir()) == []


def test_it_keeps_the_newest_builds_only(tmp_path: Path):
    newest = [tmp_path / f"build-{number}" for number in range(compiling.KEPT + 2)]
    for each in newest:
        each.mkdir()
    compiling.forget_old(newest[0])
    assert len(list(tmp_path.iterdir())) in {compiling.KEPT, compiling.KEPT + 1}
    assert newest[0].is_dir()


def test_it_does_not_touch_what_is_loaded():
    finders = list(sys.meta_path)
    assert not compiled.use()
    assert sys.meta_path == finders
