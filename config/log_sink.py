"""The end of the log: standard error, to which nobody may be made to wait.

A pipe that nobody reads is full after 64 KB, and whoever writes to it then stands still: a shift's loop, with all that
it drives. So what does not fit at once is dropped, and counted; the next line that fits is preceded by how many were
lost. No thread and no buffer: it works across forks as it is.
"""

from __future__ import annotations

import io
import logging
import os
import select

# POSIX: a pipe that can be written to takes so many bytes without waiting.
PIECE = 4096


class UnhurriedHandler(logging.StreamHandler):
    """Writes lines where they fit at once, and counts those that do not."""

    dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or count it as dropped."""
        try:
            self.stream.flush()
            target = self.stream.fileno()
        except (AttributeError, OSError, ValueError, io.UnsupportedOperation):
            super().emit(record)
            return
        try:
            text = f"{self.format(record)}\n".encode(errors="backslashreplace")
        except Exception:
            self.handleError(record)
            return
        if self.dropped and _fits(target):
            lost, self.dropped = self.dropped, 0
            text = f"{lost} lines of the log were dropped: nobody read it\n".encode() + text
        if not _write(target, text):
            self.dropped += 1


def _write(target: int, text: bytes) -> bool:
    """Write as much as fits; False if that was not all of it."""
    for begin in range(0, len(text), PIECE):
        if not _fits(target):
            return False
        try:
            os.write(target, text[begin : begin + PIECE])
        except OSError:
            return False
    return True


def _fits(target: int) -> bool:
    poll = select.poll()
    poll.register(target, select.POLLOUT)
    return any(event & select.POLLOUT for _, event in poll.poll(0))
