"""What the queries would return: a world of workflows, executions and services at one fixed instant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestration.domain.definition import Definition, parse_definition
from orchestration.engine.queries import (
    AttemptView,
    ExecutionDetail,
    ExecutionSummary,
    JournalEntry,
    RevisionSummary,
    StepView,
    WaitView,
    WorkflowDetail,
    WorkflowSummary,
)
from orchestration.registry.queries import InstanceView, ServiceView

SECOND = 1_000_000
BASE = datetime(2026, 3, 9, 12, 3, 0, tzinfo=UTC)
BASE_US = int(BASE.timestamp()) * SECOND
NOW_US = BASE_US + 41_800_000
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&</td>"

ORDER: dict[str, Any] = {
    "id": "order-processing",
    "name": "Order processing",
    "description": "Takes an order from the shop to the parcel: stock, payment, shipment, and word to the customer.",
    "version": "2.1",
    "config": {"failure_policy": "compensate", "timeout": "5m", "parallel_limit": 8},
    "input_schema": {
        "type": "object",
        "required": ["order_id", "items", "total_amount"],
        "properties": {
            "order_id": {"type": "string", "examples": ["ORD-12345"]},
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"sku": {"const": "PROD-001"}, "quantity": {"type": "integer", "minimum": 1}},
                },
            },
            "total_amount": {"type": "number", "minimum": 0, "default": 99.99},
            "customer_email": {"type": "string", "default": "customer@example.com"},
        },
    },
    "steps": [
        {"id": "validate-order", "type": "service", "service_name": "inventory", "method": "validate"},
        {
            "id": "reserve-inventory",
            "type": "service",
            "service_name": "inventory",
            "method": "reserve",
            "dependencies": ["validate-order"],
            "compensate": {"service_name": "inventory", "method": "release"},
        },
        {
            "id": "checks",
            "type": "parallel",
            "dependencies": ["reserve-inventory"],
            "steps": [
                {"id": "fraud", "type": "service", "service_name": "payment", "method": "screen"},
                {"id": "address", "type": "service", "service_name": "shipping", "method": "check"},
            ],
        },
        {
            "id": "payment",
            "type": "parallel",
            "mode": "race",
            "dependencies": ["checks"],
            "steps": [
                {
                    "id": "primary",
                    "type": "service",
                    "service_name": "payment",
                    "method": "charge",
                    "retry": {"max_attempts": 4},
                },
                {"id": "backup", "type": "service", "service_name": "payment-backup", "method": "charge"},
            ],
        },
        {
            "id": "create-shipment",
            "type": "service",
            "service_name": "shipping",
            "method": "create",
            "dependencies": ["payment"],
        },
        {
            "id": "e-mail",
            "type": "notification",
            "channel": "email",
            "to": "x@example.com",
            "subject": "s",
            "body": "b",
            "dependencies": ["create-shipment"],
        },
        {
            "id": "text-message",
            "type": "service",
            "service_name": "notification",
            "method": "send",
            "dependencies": ["create-shipment"],
        },
        {
            "id": "invoice",
            "type": "service",
            "service_name": "billing",
            "method": "invoice",
            "dependencies": ["create-shipment"],
        },
    ],
}


def after(seconds: float) -> datetime:
    """Return the instant so many seconds after BASE."""
    return BASE + timedelta(seconds=seconds)


def definition(document: dict[str, Any] | None = None) -> Definition:
    """Return a definition, by default the order's."""
    return parse_definition(document or ORDER)


def summary(**changes: Any) -> ExecutionSummary:
    """Return an execution of the order, running for 41.8 s at NOW_US."""
    plain = ExecutionSummary(
        id="0195f2a4-77c1-7d3e-9a61-4f2b8c0d1e2f",
        workflow="order-processing",
        workflow_name="Order processing",
        revision=7,
        status="running",
        progress=3 / 8,
        steps_done=3,
        steps_total=8,
        created_at=BASE,
        started_at=BASE,
        ended_at=None,
        error=None,
        by="demo",
        seq=23,
        attempt=1,
        parent_id=None,
        priority=5,
    )
    return replace(plain, **changes)


def step(
    path: str, status: str = "pending", start: float | None = None, end: float | None = None, **changes: Any
) -> StepView:
    """Return a step run; `start` and `end` are seconds after BASE."""
    own = path.rsplit(".", 1)[-1]
    begun = None if start is None else after(start)
    ended = None if end is None else after(end)
    plain = StepView(
        path=path,
        id=own,
        name=own,
        type="service",
        status=status,
        attempts=0 if start is None else 1,
        max_attempts=3,
        started_at=begun,
        ended_at=ended,
        next_attempt_at=None,
        output={"ok": True} if status == "completed" else None,
        error=None,
        depth=path.count("."),
        parent=path.rsplit(".", 1)[0] if "." in path else None,
        index=None,
        tries=() if begun is None else (AttemptView(number=1, started_at=begun, ended_at=ended, error=None),),
    )
    return replace(plain, **changes)


def order_steps() -> tuple[StepView, ...]:
    """Return the order's step runs in the middle of the payment race."""
    busy = {"code": "http_503", "message": "upstream is busy", "retryable": True, "details": {}}
    tries = (
        AttemptView(number=1, started_at=after(16.4), ended_at=after(23.9), error=busy),
        AttemptView(number=2, started_at=after(26), ended_at=after(35), error=busy),
    )
    return (
        step("validate-order", "completed", 0.05, 1.05),
        step("reserve-inventory", "completed", 1.8, 2.7),
        step("checks", "completed", 2.7, 15.2, type="parallel", max_attempts=1),
        step("checks.fraud", "completed", 2.7, 8.9),
        step("checks.address", "completed", 4.1, 15.2),
        step("payment", "running", 15.3, type="parallel", max_attempts=1),
        step(
            "payment.primary",
            "retrying",
            16.4,
            attempts=2,
            max_attempts=4,
            error=busy,
            tries=tries,
            next_attempt_at=after(48),
        ),
        step("payment.backup", "running", 36.0),
        step("create-shipment"),
        step("e-mail", type="notification"),
        step("text-message"),
        step("invoice"),
    )


def detail(**changes: Any) -> ExecutionDetail:
    """Return the order in the middle of the payment race."""
    plain = ExecutionDetail(
        summary=summary(),
        input={"order_id": "ORD-12345", "items": [{"sku": "PROD-001", "quantity": 2}], "total_amount": 99.99},
        output=None,
        steps=order_steps(),
        waiting_for=(
            WaitView(kind="retry", step="payment.primary", until=after(48), detail="attempt 3 after http_503"),
            WaitView(kind="answer", step="payment.backup", until=after(66), detail="payment-backup.charge, attempt 1"),
        ),
        definition=definition(),
        children=(),
    )
    return replace(plain, **changes)


def failed_detail() -> ExecutionDetail:
    """Return the order after its payment was declined and its reservation undone."""
    error = {
        "code": "payment_declined",
        "message": "card 4242 was declined",
        "retryable": False,
        "details": {"step": "payment"},
    }
    steps = tuple(
        replace(each, status="compensated")
        if each.path == "reserve-inventory"
        else replace(
            each,
            status="failed",
            ended_at=after(24),
            error=error,
            next_attempt_at=None,
            tries=tuple(replace(t, ended_at=t.ended_at or after(24)) for t in each.tries),
        )
        if each.path.startswith("payment")
        else replace(each, status="cancelled")
        if each.status == "pending"
        else each
        for each in order_steps()
    )
    ended = summary(
        status="failed", ended_at=BASE + timedelta(seconds=25.4), error=error, seq=41, progress=1.0, steps_done=8
    )
    return detail(summary=ended, steps=steps, waiting_for=())


def done_detail() -> ExecutionDetail:
    """Return the order delivered."""
    steps = tuple(
        replace(each, status="cancelled", ended_at=after(36), next_attempt_at=None)
        if each.path == "payment.primary"
        else step(each.path, "completed", 15.3, 40.1, type="parallel")
        if each.path == "payment"
        else step(each.path, "completed", 36, 40.1)
        if each.path == "payment.backup"
        else step(each.path, "completed", 40.5, 44, type=each.type)
        if each.path == "create-shipment"
        else step(each.path, "completed", 44.1, 44.9 + len(each.path) / 9, type=each.type)
        if each.status == "pending"
        else each
        for each in order_steps()
    )
    ended = summary(status="completed", ended_at=BASE + timedelta(seconds=46.3), seq=44, progress=1.0, steps_done=8)
    return detail(
        summary=ended,
        steps=steps,
        waiting_for=(),
        output={"payment_id": "PAY-1", "shipment_id": "SHP-1", "text": "order ORD-12345 is on its way"},
    )


def events() -> tuple[JournalEntry, ...]:
    """Return the order's journal so far."""
    said = [
        (0, "workflow.started", "", {}),
        (0.05, "step.started", "validate-order", {"attempt": 1}),
        (1.05, "step.completed", "validate-order", {"output": {}}),
        (1.8, "step.started", "reserve-inventory", {"attempt": 1}),
        (2.7, "step.completed", "reserve-inventory", {"output": {}}),
        (2.7, "step.started", "checks", {"attempt": 1}),
        (15.2, "step.completed", "checks", {"output": {}}),
        (16.4, "step.started", "payment.primary", {"attempt": 1}),
        (
            23.9,
            "step.retrying",
            "payment.primary",
            {
                "attempt": 1,
                "until": BASE_US + 26 * SECOND,
                "error": {"code": "http_503", "message": "upstream is busy"},
            },
        ),
        (26, "step.started", "payment.primary", {"attempt": 2}),
        (
            35,
            "step.retrying",
            "payment.primary",
            {
                "attempt": 2,
                "until": BASE_US + 48 * SECOND,
                "error": {"code": "http_503", "message": "upstream is busy"},
            },
        ),
    ]
    return tuple(
        JournalEntry(seq=place + 1, type=kind, at=BASE + timedelta(seconds=at), step=path, data=data)
        for place, (at, kind, path, data) in enumerate(said)
    )


def executions() -> tuple[ExecutionSummary, ...]:
    """Return a page of executions of every outcome, the newest first."""
    declined = {
        "code": "payment_declined",
        "message": "card 4242 was declined",
        "retryable": False,
        "details": {"step": "payment"},
    }
    rows = [
        ("pending", "data-processing", "Data processing", 0, 5, None, None, None),
        ("running", "order-processing", "Order processing", 3, 8, 5, None, None),
        ("running", "data-processing", "Data processing", 2, 5, 80, None, None),
        ("paused", "nightly-settlement", "Nightly settlement of all ledgers", 4, 12, 400, None, None),
        ("compensating", "order-processing", "Order processing", 6, 8, 450, None, None),
        ("failed", "order-processing", "Order processing", 8, 8, 600, 25.4, declined),
        ("completed", "order-processing", "Order processing", 8, 8, 700, 46.3, None),
        ("cancelled", "data-processing", "Data processing", 1, 5, 900, 3.21, None),
        ("completed", "data-processing", "Data processing", 5, 5, 4000, 0.35, None),
        (
            "compensation_failed",
            "order-processing",
            "Order processing",
            8,
            8,
            9000,
            62,
            {"code": "http_500", "message": "inventory.release: the ledger is closed"},
        ),
        ("completed", "nightly-settlement", "Nightly settlement of all ledgers", 12, 12, 40000, 7312, None),
    ]
    made = []
    for place, (status, slug, name, done, total, ago, took, error) in enumerate(rows):
        started = None if ago is None else BASE - timedelta(seconds=ago)
        made.append(
            summary(
                id=f"0195f2a4-77c1-7d3e-9a61-{0x4F2B8C0D1E2F - place * 7919:012x}",
                workflow=slug,
                workflow_name=name,
                status=status,
                steps_done=done,
                steps_total=total,
                progress=done / total,
                created_at=(started or BASE) - timedelta(milliseconds=12),
                started_at=started,
                ended_at=None if took is None else started + timedelta(seconds=took),
                error=error,
                by=("demo", "key shop-frontend", "schedule", "demo")[place % 4],
            )
        )
    return tuple(made)


COUNTS = {
    "pending": 1,
    "running": 2,
    "paused": 1,
    "compensating": 1,
    "completed": 1000,
    "failed": 7,
    "cancelled": 3,
    "compensation_failed": 1,
}


def workflow() -> WorkflowDetail:
    """Return the order's workflow with three revisions."""
    return WorkflowDetail(
        id="order-processing",
        name="Order processing",
        description=ORDER["description"],
        version="2.1",
        revision=7,
        updated_at=BASE,
        step_count=12,
        document=ORDER,
        revisions=tuple(
            RevisionSummary(revision=number, created_at=BASE - timedelta(days=8 - number), created_by="demo")
            for number in (7, 6, 5)
        ),
    )


def workflows() -> tuple[WorkflowSummary, ...]:
    """Return three workflows."""
    return (
        WorkflowSummary(
            id="data-processing",
            name="Data processing",
            description="Extract, validate, transform, load, report.",
            version="1.0",
            revision=1,
            updated_at=BASE,
            step_count=5,
        ),
        WorkflowSummary(
            id="nightly-settlement",
            name="Nightly settlement of all ledgers",
            description="",
            version="",
            revision=12,
            updated_at=BASE - timedelta(days=3),
            step_count=12,
        ),
        WorkflowSummary(
            id="order-processing",
            name="Order processing",
            description=ORDER["description"],
            version="2.1",
            revision=7,
            updated_at=BASE,
            step_count=12,
        ),
    )


def instance(service: str, port: int, health: str = "healthy", detail: str = "") -> InstanceView:
    """Return an instance of a service."""
    return InstanceView(
        id=f"0195f2a4-0000-7000-8000-{port:012d}",
        service=service,
        protocol="http",
        address="127.0.0.1",
        port=port,
        path="",
        url=f"http://127.0.0.1:{port}",
        version="1.4.2",
        tags=("demo",),
        metadata={},
        health_path="/health",
        status="active",
        health=health,
        health_detail=detail,
        health_changed_at=BASE - timedelta(minutes=9),
        probed_at=BASE,
        registered_at=BASE - timedelta(hours=2),
        registered_by="demo",
        last_seen_at=BASE,
    )


def services() -> tuple[ServiceView, ...]:
    """Return four services: well, degraded, unavailable, and without instances."""
    return (
        ServiceView(name="billing", created_at=BASE, instances=(), usable=0),
        ServiceView(
            name="inventory",
            created_at=BASE,
            instances=(instance("inventory", 8101), instance("inventory", 8102)),
            usable=2,
        ),
        ServiceView(
            name="payment",
            created_at=BASE,
            instances=(instance("payment", 8111), instance("payment", 8112, "unhealthy", "answered 503 in 12 ms")),
            usable=1,
        ),
        ServiceView(
            name="shipping",
            created_at=BASE,
            instances=(instance("shipping", 8121, "unhealthy", "connection refused"),),
            usable=0,
        ),
    )


def big_document(width: int, depth: int) -> dict[str, Any]:
    """Return a workflow of `depth` layers of `width` steps each; every step comes after two of the layer before."""
    steps = []
    for layer in range(depth):
        for place in range(width):
            before = [f"task_{layer - 1}_{place}", f"task_{layer - 1}_{(place + 1) % width}"] if layer else []
            steps.append(
                {
                    "id": f"task_{layer}_{place}",
                    "type": "service",
                    "service_name": "bench",
                    "method": f"m{layer}",
                    "dependencies": list(dict.fromkeys(before)),
                }
            )
    return {"id": "big", "steps": steps}
