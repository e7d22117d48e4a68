"""The log's end: nobody waits for whoever reads it."""

from __future__ import annotations

import fcntl
import io
import logging
import os
from collections.abc import Iterator

import pytest

from config.log_sink import UnhurriedHandler


@pytest.fixture
def pipe() -> Iterator[tuple[int, logging.Logger, UnhurriedHandler]]:
    read, write = os.pipe()
    os.set_blocking(read, False)
    handler = UnhurriedHandler(os.fdopen(write, "w"))
    logger = logging.Logger("it")
    logger.addHandler(handler)
    yield read, logger, handler
    handler.stream.close()
    os.close(read)


def test_it_writes_lines(pipe):
    read, logger, _ = pipe
    logger.warning("ü %s", "x" * 9000)
    assert os.read(read, 20000).decode() == f"ü {'x' * 9000}\n"


def test_it_drops_and_counts_what_nobody_reads(pipe):
    read, logger, handler = pipe
    room = fcntl.fcntl(read, fcntl.F_GETPIPE_SZ)
    for _ in range(2 * room // 1000):
        logger.warning("x" * 1000)
    assert handler.dropped >= room // 1000 - 5
    os.read(read, room)
    dropped = handler.dropped
    logger.warning("again")
    assert os.read(read, room).decode() == f"{dropped} lines of the log were dropped: nobody read it\nagain\n"
    assert handler.dropped == 0


def test_it_writes_to_what_is_no_file():
    handler = UnhurriedHandler(io.StringIO())
    handler.emit(logging.makeLogRecord({"msg": "hello"}))
    assert handler.stream.getvalue() == "hello\n"
