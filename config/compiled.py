"""Compiled modules: the domain and the simulator's world as machine code, made of the files that lie here.

`make compile` (which `make install` ends with) has mypyc, a part of mypy, translate them by their types: three times as
fast, for workers and for the simulator alike. They are the same modules under the same names; nothing else knows the
difference. Where there is no C compiler, everything runs as it is written.

Always true: what is loaded was made of the very text that lies here, by this interpreter, for the folder's name is a
hash of both. Who changes one of the files has all of them interpreted until they are compiled again. It is all of them
or none: compiled modules call each other past the names that an interpreted one could be put under.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Sequence
from hashlib import sha256
from importlib.abc import MetaPathFinder
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
VARIABLE = "PODIUM_COMPILED"
NO = frozenset({"", "0", "false", "no", "off"})
BUILDS = Path(sys.prefix) / "podium-compiled"
SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))

_DOMAIN = "orchestration/domain"
_PATTERNS = (
    f"{_DOMAIN}/run/*.py",
    f"{_DOMAIN}/calling/*.py",
    f"{_DOMAIN}/expressions/*.py",
    *(
        f"{_DOMAIN}/{name}.py"
        for name in (
            "balancing", "children", "commands", "durations", "events", "expiry", "facts", "graph", "health",
            "ids", "instants", "lifecycle", "limits", "postponement", "retry", "templates",
        )
    ),
    *(
        f"simulation/world/{name}.py"
        for name in ("attempts", "faults", "host", "line", "load", "models", "service", "shell", "station", "workers")
    ),
    "simulation/streams.py",
)  # fmt: skip
_INTERPRETED = frozenset({"__init__.py", "policy.py"})
"""What is left as it is: packages' own files, and what pydantic makes classes of.

Errors are too (domain/errors.py is not in the list): others extend them."""


def sources() -> list[Path]:
    """Return the files that are compiled, relative to the project."""
    found = (path for pattern in _PATTERNS for path in ROOT.glob(pattern))
    return sorted(path.relative_to(ROOT) for path in found if path.name not in _INTERPRETED)


def name_of(source: Path) -> str:
    """Return the name of the module that a source file is."""
    return ".".join(source.with_suffix("").parts)


def folder() -> Path:
    """Return where the modules lie that were compiled of the files as they are now."""
    digest = sha256(f"{sys.version} {SUFFIX}".encode())
    for source in sources():
        text = (ROOT / source).read_bytes()
        digest.update(f"{source}:{len(text)}:".encode() + text)
    return BUILDS / digest.hexdigest()[:16]


class Finder(MetaPathFinder):
    """Finds modules in a folder of compiled ones."""

    def __init__(self, where: Path) -> None:
        self._paths = {path.name.removesuffix(SUFFIX): path for path in where.glob(f"*{SUFFIX}")}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """Return where a compiled module is, None for any other."""
        file = self._paths.get(fullname)
        return (
            None if file is None else spec_from_file_location(fullname, loader=ExtensionFileLoader(fullname, str(file)))
        )


def use() -> bool:
    """Have compiled modules found from now on; return False, changing nothing, where there are none to be used.

    There are none if nobody compiled these very files, if `PODIUM_COMPILED` says no, or if one is loaded already.
    """
    if os.environ.get(VARIABLE, "true").strip().lower() in NO:
        return False
    if any(name_of(source) in sys.modules for source in sources()):
        return False
    where = folder()
    if not where.is_dir():
        return False
    sys.meta_path.insert(0, Finder(where))
    return True
