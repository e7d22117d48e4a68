"""Compiles the modules of config/compiled.py: `python -m config.compiling`, which `make compile` runs.

mypyc writes C by the modules' types and the C compiler does the rest, in a folder of its own that takes its final name
once it is complete: a build that is cut off leaves nothing that would be loaded.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

from config.compiled import ROOT, SUFFIX, folder, name_of, sources

GROUP = "podium"
KEPT = 3
"""How many builds stay: of one checkout that goes back and forth, or of several that share an interpreter."""

_BUILD = """
import sys
from mypyc.build import mypycify
from setuptools import setup
work, group, *files = sys.argv[1:]
modules = mypycify(files, opt_level="1", debug_level="0", group_name=group, target_dir=work + "/c")
setup(name=group, packages=[], py_modules=[], ext_modules=modules,
      script_args=["--quiet", "build_ext", "--build-temp", work + "/temp", "--build-lib", work + "/lib"])
"""


class NotCompiled(Exception):
    """The modules could not be compiled; the text says what the compiler said last."""


def build(where: Path) -> None:
    """Compile all modules into the folder `where`. Raises NotCompiled, having left nothing there."""
    where.parent.mkdir(parents=True, exist_ok=True)
    work = Path(mkdtemp(dir=where.parent, prefix="making-"))
    try:
        _compile(work)
        found = sorted((work / "lib").rglob(f"*{SUFFIX}"))
        ready = work / "ready"
        ready.mkdir()
        for path in found:
            path.rename(ready / ".".join(path.relative_to(work / "lib").parts))
        missing = {name_of(source) for source in sources()} - {
            path.name.removesuffix(SUFFIX) for path in ready.iterdir()
        }
        if missing:
            raise NotCompiled(f"the compiler made no module of {', '.join(sorted(missing))}")
        try:
            ready.rename(where)
        except OSError:
            if not where.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _compile(work: Path) -> None:
    command = [sys.executable, "-c", _BUILD, str(work), GROUP, *map(str, sources())]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if made.returncode:
        said = (made.stdout + made.stderr).strip().splitlines()
        raise NotCompiled("\n".join(said[-20:]))


def forget_old(beside: Path) -> None:
    """Remove all builds beside one but the newest."""
    builds = [each for each in beside.parent.iterdir() if each.is_dir() and not each.name.startswith("making-")]
    for old in sorted(builds, key=lambda each: each.stat().st_mtime, reverse=True)[KEPT:]:
        if old != beside:
            shutil.rmtree(old, ignore_errors=True)


def main() -> int:
    """Compile what is not compiled yet, and say so; return the exit code."""
    where, count = folder(), len(sources())
    if where.is_dir():
        _say(f"{count} modules are compiled as they are.")
        return 0
    _say(f"Compiling {count} modules (two minutes; whoever changes one of them has all interpreted again) ...")
    try:
        build(where)
    except NotCompiled as error:
        _say(str(error))
        _say("Nothing was compiled: everything works, and runs interpreted.")
        _say("It takes a C compiler and Python's headers; on Debian: apt-get install gcc python3-dev")
        return 1
    forget_old(where)
    _say(f"Compiled: {count} modules.")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
