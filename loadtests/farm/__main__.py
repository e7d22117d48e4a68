"""The farm as a process of its own: `python -m loadtests.farm --port 0 --ready-file FILE`.

The ready file is written, whole, once the farm answers: one line with its address. SIGTERM and SIGINT end it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from aiohttp import web

from loadtests.farm.ledger import Ledger
from loadtests.farm.server import Farm, application

STOP_SECONDS = 2.0


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop; return 1 where the port cannot be had."""
    given = _arguments(argv)
    try:
        asyncio.run(serve(given))
    except OSError as error:
        print(f"farm: {error}", file=sys.stderr)
        return 1
    return 0


async def serve(given: argparse.Namespace) -> None:
    """Serve on the given host and port until SIGTERM or SIGINT. Raises OSError where the port cannot be had."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    ledger = Ledger(None if given.state_dir is None else given.state_dir / "calls.jsonl")
    ledger.open()
    # A caller who hangs up is noticed at once: that is what makes a race's loser pay nothing.
    runner = web.AppRunner(
        application(Farm(ledger, pace=given.pace)),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=STOP_SECONDS,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, given.host, given.port, backlog=1024)
        await site.start()
        url = f"http://{given.host}:{runner.addresses[0][1]}"
        if given.ready_file is not None:
            _write_whole(given.ready_file, url + "\n")
        print(f"farm: listening on {url}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()
        await ledger.close()


def _write_whole(path: Path, text: str) -> None:
    half = path.with_name(path.name + ".new")
    half.write_text(text, encoding="utf-8")
    os.replace(half, path)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtests.farm", description="Serve the demo's services.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--state-dir", type=Path, help="where the record of all calls lies; without it, in memory")
    parser.add_argument("--ready-file", type=Path, help="written with the address once the farm answers")
    parser.add_argument("--pace", type=float, default=1.0, help="factor on every latency (default 1)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
