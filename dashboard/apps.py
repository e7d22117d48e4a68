"""The dashboard as a Django app: templates, static files and template tags."""

from __future__ import annotations

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """Name the app."""

    name = "dashboard"
    verbose_name = "Dashboard"
