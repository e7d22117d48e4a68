"""The standing actors of the lab's pages, as those of the other pages."""

from __future__ import annotations

from tests.dashboard.conftest import _no_graphs_of_other_tests, operator, order, stranger, team_id, viewer

__all__ = ["_no_graphs_of_other_tests", "operator", "order", "stranger", "team_id", "viewer"]
