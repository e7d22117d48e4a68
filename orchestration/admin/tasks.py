"""The task queue's own pages are taken off the admin site.

A schedule names a function by its path, so that whoever may write one may run anything in a worker.
"""

from __future__ import annotations

from importlib import import_module

from django.apps import apps
from django.contrib import admin

# Its pages register themselves when they are imported, at the latest after these.
import_module("django_q.admin")
for model in apps.get_app_config("django_q").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)
