"""What scenarios name files for, read and written out: recorded workflows, and calibrations of workers.

`workers: {calibration: FILE}` takes what `manage.py bench --calibrate --out FILE` wrote; what stands beside it in the
scenario goes before. The file is looked for where all files of a scenario are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestration.domain.documents import join_path, parse_document
from orchestration.domain.errors import DocumentInvalid, Problem

from .language import ScenarioInvalid
from .recordings import with_recordings

CALIBRATION = "calibration"


def with_files(document: Any, folder: Path) -> Any:
    """Return a scenario that names no recorded workflow and no calibration any more, but says what stands in them.

    What is no scenario comes back as it is, for others to judge. Raises ScenarioInvalid, with its path, for a file that
    is not there or is not what it should be.
    """
    return with_recordings(_with_calibration(document, folder, ""), folder)


def _with_calibration(document: Any, folder: Path, path: str) -> Any:
    if not isinstance(document, dict):
        return document
    found = dict(document)
    workers, variants = found.get("workers"), found.get("variants")
    if isinstance(workers, dict) and isinstance(workers.get(CALIBRATION), str):
        own = {name: value for name, value in workers.items() if name != CALIBRATION}
        read = _read(folder, workers[CALIBRATION], join_path(join_path(path, "workers"), CALIBRATION))
        found["workers"] = {**read, **own}
    if isinstance(variants, dict):
        within = join_path(path, "variants")
        found["variants"] = {
            name: _with_calibration(each, folder, join_path(within, name)) for name, each in variants.items()
        }
    return found


def _read(folder: Path, name: str, path: str) -> dict[str, Any]:
    try:
        if not name or Path(name).name != name:
            raise OSError
        read = parse_document((folder / name).read_bytes())
    except OSError:
        said = f"there is no file {name} beside the scenario, nor in the folder that --data names"
        raise ScenarioInvalid(f"{path}: {said}", [Problem(path, "reference.unknown", said)]) from None
    except DocumentInvalid as error:
        said = f"{name} cannot be read: {error.message}"
        raise ScenarioInvalid(f"{path}: {said}", [Problem(path, error.code, said)]) from error
    workers = read.get("workers") if isinstance(read, dict) else None
    if not isinstance(workers, dict) or CALIBRATION in workers:
        said = f"{name} is no calibration: `manage.py bench --calibrate --out FILE` writes one, `workers: {{...}}`"
        raise ScenarioInvalid(f"{path}: {said}", [Problem(path, "value.type", said)])
    return workers
