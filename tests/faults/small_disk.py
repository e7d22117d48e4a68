"""F26 inside its own mount namespace: the database lies on a small tmpfs, which is filled and emptied again.

`python -m tests.faults.small_disk KIND FOLDER TRIALS`; it says what was wrong on its standard output.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.faults.runner import surroundings

FILLED = 64 * 1024


def main(kind: str, small: Path, trials: int) -> None:
    """Run the trials."""
    with surroundings(kind) as (folder, _server):
        from tests.faults.lab import Fault, Lab
        from tests.faults.servers import OwnPostgres
        from tests.faults.site import Sites

        sites = Sites(folder, _server)
        fault = Fault("F26", "", lambda lab: None, 1, 1, 0, 0, frozenset())
        lab = Lab(fault, kind=kind, quick=False, folder=folder, sites=sites)
        if kind == "sqlite":
            with lab.site(folder=small) as site:
                _fill(lab, site, small, trials)
        else:
            server = OwnPostgres(small, "max_wal_size=32MB", "min_wal_size=32MB", initdb=("--wal-segsize=1",))
            server.start()
            try:
                with lab.site(server=server.url) as site:
                    _fill(lab, site, small, trials)
            finally:
                server.stop("immediate")
        for sentence in lab.outcome.wrong:
            sys.stdout.write(f"wrong: {sentence}\n".replace("\n", " ") + "\n")
        for sentence in lab.outcome.notes:
            sys.stdout.write(f"note: {sentence}\n")


def _fill(lab, site, small: Path, trials: int) -> None:
    """Fill the disk under load; ask the API; make room; everything that was acknowledged completes."""
    from orchestration.engine.models import Execution
    from tests.faults import workflows

    site.save(workflows.chain("chain", 20, seconds=0.1))
    web = site.web()
    site.worker()
    filler = small / "filler"
    for _ in range(trials):
        for _ in range(10):
            site.ask_to_start(web, "chain")
        site.until(lambda: Execution.objects.filter(status="running").exists(), "work under way")
        _write_until_full(filler)
        refused = []
        for _ in range(400):
            answer = site.ask_to_start(web, "chain")
            if answer.status != 202:
                refused.append(answer)
            if len(refused) >= 5:
                break
            _write_until_full(filler)
        lab.require(refused, "nothing was refused: the disk was never full")
        codes = sorted({answer.status for answer in refused})
        lab.require(set(codes) <= {503, 507}, f"without room the API answers {codes}, not 503 or 507")
        lab.require(all("retry-after" in each.headers for each in refused if each.status == 503), "no Retry-After")
        lab.note(f"without room the API answered {codes}")
        filler.unlink()
        sys.stdout.write("tried\n")
        site.until(lambda: site.ask_to_start(web, "chain").status == 202, "the API with room again", timeout=30)
    lab.examine(site)
    failed = Execution.objects.exclude(status="completed").count()
    lab.require(not failed, f"{failed} executions did not complete")


def _write_until_full(path: Path) -> None:
    size = FILLED
    with path.open("ab", buffering=0) as file:
        while size:
            try:
                file.write(b"\0" * size)
            except OSError:
                size //= 4


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
