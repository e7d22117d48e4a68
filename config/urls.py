"""The addresses of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from config.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("simulation.lab.api")),
    path("api/v1/", include("orchestration.api.urls")),
    path("", include("simulation.lab.urls")),
    path("", include("dashboard.urls")),
]
