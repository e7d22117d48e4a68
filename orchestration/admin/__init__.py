"""The admin site: what there is, in every team, for the people who run the platform.

It shows everything and is therefore open to superusers only. Nothing here writes a row: what can be done is done by
the operations of the context that owns it, with their rules.
"""

from __future__ import annotations

from . import executions, instances, keys, live_settings, people, services, tasks, teams, workflows

__all__ = ["executions", "instances", "keys", "live_settings", "people", "services", "tasks", "teams", "workflows"]
