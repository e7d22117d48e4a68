"""Places at which a test may kill the process: `CRASH_AT=after_claim:3` ends it with SIGKILL at the third pass.

Without the variable a crash point is one comparison. Processes that are started again have the variable too: where
`CRASH_MARKS` names a folder, each death leaves a file there (its name is its number, its time that of the death), and
after `CRASH_DEATHS` of them (1) nobody dies any more. The tests enumerate the names from the source.
"""

from __future__ import annotations

import os
import signal

_name, _left = "", 0
_marks, _deaths = "", 1


def arm(where: str, *, marks: str = "", deaths: int = 1) -> None:
    """Have this process die at `name:number`, or nowhere; with `marks` only while fewer than `deaths` have died."""
    global _name, _left, _marks, _deaths  # noqa: PLW0603 - one countdown a process
    _name, _, number = where.partition(":")
    _left = int(number or 1)
    _marks, _deaths = marks, deaths


def crash_point(name: str) -> None:
    """End this process at once, if it is to die here."""
    global _left  # noqa: PLW0603 - one countdown a process
    if name != _name:
        return
    _left -= 1
    if _left == 0 and _may_die():
        os.kill(os.getpid(), signal.SIGKILL)


def _may_die() -> bool:
    """Leave the mark of this death; False if enough have died."""
    if not _marks:
        return True
    for number in range(_deaths):
        try:
            os.close(os.open(f"{_marks}/{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            continue
        return True
    return False


arm(
    os.environ.get("CRASH_AT", ""),
    marks=os.environ.get("CRASH_MARKS", ""),
    deaths=int(os.environ.get("CRASH_DEATHS", "1")),
)
