"""The addresses of the pages."""

from __future__ import annotations

from django.urls import path, re_path

from dashboard.views.executions import act, document, execution, executions
from dashboard.views.now import now
from dashboard.views.services import service, services
from dashboard.views.session import Login, Logout, choose_theme
from dashboard.views.workflows import definition, start, workflow, workflows

app_name = "dashboard"
urlpatterns = [
    path("", now, name="now"),
    path("login", Login.as_view(), name="login"),
    path("logout", Logout.as_view(), name="logout"),
    path("theme", choose_theme, name="theme"),
    path("executions", executions, name="executions"),
    path("executions/<uuid:execution_id>", execution, name="execution"),
    path("executions/<uuid:execution_id>/act", act, name="act"),
    re_path(
        r"^executions/(?P<execution_id>[0-9a-f-]{36})/(?P<what>input|output)\.json$",
        document,
        name="execution-document",
    ),
    path("workflows", workflows, name="workflows"),
    path("workflows/<slug:workflow>", workflow, name="workflow"),
    path("workflows/<slug:workflow>/start", start, name="start"),
    path("workflows/<slug:workflow>/definition.json", definition, name="definition"),
    path("services", services, name="services"),
    path("services/<str:service>", service, name="service"),
]
