"""The platform as a Django app."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.conf import settings

# What recorded workflows run on (import_wfinstance): any worker may come to drive one.
BUILT_IN_SERVICES = ("orchestration.management.wfinstances.services",)


class OrchestrationConfig(AppConfig):
    """Registers the platform's checks and the services that live in this process."""

    name = "orchestration"
    label = "orchestration"
    verbose_name = "Podium"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import what registers itself by being imported; give the task queue its key."""
        # It would take the site's.
        import_module("django_q.conf").Conf.SECRET_KEY = settings.TASK_QUEUE_KEY
        import_module("orchestration.checks")
        for module in (*BUILT_IN_SERVICES, *settings.PODIUM.python_services):
            import_module(module)
