"""Logs: structlog's events and everybody else's records, in one form, on standard error."""

from __future__ import annotations

from typing import Any

import structlog
from structlog.typing import EventDict

from config.podium import PodiumSettings

SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def one_line_per_request(logger: Any, method: str, event: EventDict) -> EventDict:
    """Drop the line that says that a request began; the one about its end says everything."""
    if event.get("event") == "request_started":
        raise structlog.DropEvent
    return event


def logging_config(podium: PodiumSettings) -> dict[str, Any]:
    """Return the configuration of Python's logging."""
    people = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    renderer: Any = structlog.processors.JSONRenderer() if podium.log_format == "json" else people
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": SHARED,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.StackInfoRenderer(),
                    *([structlog.processors.format_exc_info] if podium.log_format == "json" else []),
                    renderer,
                ],
            },
        },
        "handlers": {"stderr": {"class": "config.log_sink.UnhurriedHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": podium.log_level},
        "loggers": {
            "django.server": {"handlers": ["stderr"], "propagate": False, "level": podium.log_level},
            # It tells of every task; what a task did is told by the task.
            "django-q": {"handlers": ["stderr"], "propagate": False, "level": "WARNING"},
            # The middleware writes the line about a request; these would write it again.
            "django.request": {"level": "ERROR"},
            "daphne.http_protocol": {"level": "WARNING"},
            "aiohttp.access": {"level": "WARNING"},
        },
    }


def configure_structlog() -> None:
    """Send structlog's events through Python's logging."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            one_line_per_request,
            *SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
