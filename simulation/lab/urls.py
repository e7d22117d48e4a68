"""The addresses of the lab's pages."""

from __future__ import annotations

from django.urls import path, re_path

from . import pages

app_name = "lab"
urlpatterns = [
    path("lab", pages.lab, name="lab"),
    path("lab/new", pages.new, name="new"),
    path("lab/scenarios/<uuid:scenario_id>", pages.scenario, name="scenario"),
    path("lab/shared/<str:link>", pages.shared, name="shared"),
    path("lab/runs/<uuid:run_id>", pages.run, name="run"),
    path("lab/runs/<uuid:run_id>/act", pages.act_on_run, name="act"),
    re_path(r"^lab/runs/(?P<run_id>[0-9a-f-]{36})\.(?P<what>yaml|json)$", pages.exported, name="exported"),
]
