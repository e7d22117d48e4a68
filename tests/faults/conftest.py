"""The tests of single shifts in here stand on what the engine's tests stand on."""

from __future__ import annotations

from tests.integration.engine.conftest import service, shift, shifts, site, team

__all__ = ["service", "shift", "shifts", "site", "team"]
