"""The addresses of the API. Each works with and without a slash at its end; the one without is canonical."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from . import callbacks, configuration, executions, service_events, services, workflows
from .nowhere import Nowhere
from .operation import ApiView
from .schema import SchemaDocument, SwaggerPage

app_name = "api"


def _route(address: str, view: type[ApiView], name: str) -> list[URLPattern]:
    function = view.as_view()
    return [path(f"{address}/", function, name=f"{name}-slash"), path(address, function, name=name)]


_EXECUTION = "executions/<str:execution_id>"

urlpatterns = [
    *_route("services", services.Services, "services"),
    *_route("services/watch", service_events.WatchServices, "services-watch"),
    *_route("services/by-name/<str:service>", services.NamedService, "service-by-name"),
    *_route("services/<str:instance_id>", services.Service, "service"),
    *_route("services/<str:instance_id>/heartbeat", services.ServiceHeartbeat, "service-heartbeat"),
    *_route("services/<str:instance_id>/drain", services.DrainService, "service-drain"),
    *_route("config", configuration.Settings, "config"),
    *_route("config/history", configuration.History, "config-history"),
    *_route("config/restore", configuration.RestoreSettings, "config-restore"),
    *_route("config/<str:setting>", configuration.LiveSetting, "config-setting"),
    *_route("workflows", workflows.Workflows, "workflows"),
    *_route("workflows/<str:workflow>", workflows.Workflow, "workflow"),
    *_route("workflows/<str:workflow>/validate", workflows.ValidateWorkflow, "workflow-validate"),
    *_route("workflows/<str:workflow>/execute", workflows.ExecuteWorkflow, "workflow-execute"),
    *_route("executions", executions.Executions, "executions"),
    *_route("callbacks/<str:token>", callbacks.Callback, "callback"),
    *_route(_EXECUTION, executions.Execution, "execution"),
    *_route(f"{_EXECUTION}/events", executions.ExecutionEvents, "execution-events"),
    *_route(f"{_EXECUTION}/pause", executions.PauseExecution, "execution-pause"),
    *_route(f"{_EXECUTION}/resume", executions.ResumeExecution, "execution-resume"),
    *_route(f"{_EXECUTION}/cancel", executions.CancelExecution, "execution-cancel"),
    *_route(f"{_EXECUTION}/retry", executions.RetryExecution, "execution-retry"),
    *_route(f"{_EXECUTION}/rerun", executions.RerunExecution, "execution-rerun"),
    *_route(f"{_EXECUTION}/signals/<str:name>", executions.SignalExecution, "execution-signal"),
    path("openapi.json", SchemaDocument.as_view(), name="openapi"),
    path("docs", SwaggerPage.as_view(), name="docs"),
    path("docs/", SwaggerPage.as_view(), name="docs-slash"),
    re_path(r"", Nowhere.as_view(), name="nowhere"),
]
