"""Simulations over the API: started, followed, cancelled. What the pages do, for programs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from django.urls import URLPattern, path, reverse
from pydantic import Field
from rest_framework.request import Request
from rest_framework.response import Response

from orchestration.api import parameters
from orchestration.api.bodies import Body, NothingBody
from orchestration.api.operation import ApiView, operation
from orchestration.api.shapes import Instant, ProblemError, Shape

from . import operations, queries
from .document import document_of
from .operations import SEEDS
from .prefill import text_of
from .queries import without_pictures

SimulationId = Annotated[str, Field(json_schema_extra={"format": "uuid"})]


class SimulationBody(Body):
    """A scenario to simulate."""

    scenario: dict[str, Any] = Field(description="A scenario, as in a scenario file.")
    name: Annotated[str, Field(min_length=1, max_length=120)] = Field(
        default="A simulation", description="What people call it."
    )
    experiment: dict[str, Any] | None = Field(
        default=None,
        description="What is asked, as an experiment of a scenario file: `{kind: sensitivity}`, `{kind: screening}`, "
        "`{kind: cheapest, places: {services.payment.instances: 1..8}}` or `{kind: storm}`. Default: the scenario and "
        "its variants are compared.",
    )
    seed: Annotated[int, Field(ge=0, lt=SEEDS)] | None = Field(
        default=None, description="Where all chance comes from; default: one is drawn."
    )


class SimulationSummary(Shape):
    """A simulation, without what it came to."""

    id: SimulationId
    name: str
    state: Annotated[str, Field(description="`queued`, `running`, `done`, `cancelled` or `failed`.")]
    progress: Annotated[float, Field(description="Batches of replications that are done over all of them, 0 to 1.")]
    verdict: Annotated[
        str,
        Field(
            description="`pass`, `fail` or `cannot tell yet`, the worst of its promises; of a storm `stable`, "
            "`vulnerable` or `metastable`; empty: none is told."
        ),
    ]
    created_at: Instant
    created_by: str
    started_at: Instant | None
    ended_at: Instant | None
    ended_by: str


class SimulationPage(Shape):
    """The team's simulations, the newest first."""

    items: list[SimulationSummary]


class Simulation(SimulationSummary):
    """A simulation with its scenario, and with what it comes to so far."""

    scenario: dict[str, Any]
    experiment: Annotated[dict[str, Any] | None, Field(description="What was asked; null: a comparison.")]
    seed: int
    result: Annotated[
        dict[str, Any] | None,
        Field(
            description="`compare`: as `manage.py simulate --json`, with what each variant costs; `load`: the curve of "
            "latency against load with its knee; `experiment`: the answer to an experiment, as `manage.py simulate "
            "--json` gives it. Null: nothing is told yet."
        ),
    ]
    problems: Annotated[list[ProblemError], Field(description="Why it failed.")]
    note: str


class StartedSimulation(Shape):
    """A simulation that was taken on."""

    id: SimulationId
    self: str


class Simulations(ApiView):
    """The team's simulations."""

    @operation("List simulations", query=(parameters.page_size(50, 200),), answers={200: SimulationPage})
    def get(self, request: Request) -> Response:
        """Return the team's newest simulations."""
        runs = queries.list_runs(team_id=self.team_id, **self.query)
        return Response(SimulationPage(items=[SimulationSummary(**_summary(each)) for each in runs]))

    @operation("Start a simulation", body=SimulationBody, answers={202: StartedSimulation})
    def post(self, request: Request) -> Response:
        """Simulate a scenario in the background.

        422 for a scenario that cannot be simulated or is too large, 429 where as many of the team are under way as may
        be.
        """
        body: SimulationBody = self.body
        run_id = operations.start_run(
            team_id=self.team_id,
            text=text_of(body.scenario),
            name=body.name,
            by=self.caller.name,
            seed=body.seed,
            experiment=body.experiment,
        )
        address = reverse("lab-api:simulation", kwargs={"simulation_id": str(run_id)})
        return Response(StartedSimulation(id=str(run_id), self=address), status=HTTPStatus.ACCEPTED)


class OneSimulation(ApiView):
    """One simulation."""

    @operation("Show a simulation", answers={200: Simulation}, refusals=(404,))
    def get(self, request: Request, simulation_id: str) -> Response:
        """Return a simulation with what it comes to so far; it grows until the end."""
        run = queries.get_run(team_id=self.team_id, run_id=_id(simulation_id))
        return Response(
            Simulation(
                **_summary(run.summary),
                scenario=document_of(run.text),
                seed=run.seed,
                experiment=run.experiment,
                result=without_pictures(run.result),
                problems=[ProblemError.model_validate(each) for each in run.problems],
                note=run.note,
            )
        )


class CancelSimulation(ApiView):
    """A cancel."""

    @operation(
        "Cancel a simulation",
        body=NothingBody,
        body_optional=True,
        answers={200: SimulationSummary},
        refusals=(404, 409),
    )
    def post(self, request: Request, simulation_id: str) -> Response:
        """End a simulation; what it has told so far stays."""
        run_id = _id(simulation_id)
        operations.cancel_run(team_id=self.team_id, run_id=run_id, by=self.caller.name)
        return Response(SimulationSummary(**_summary(queries.get_run(team_id=self.team_id, run_id=run_id).summary)))


def _id(text: str) -> UUID:
    return UUID(parameters.canonical_id(text))


def _summary(run: queries.RunSummary) -> dict[str, Any]:
    return {
        "id": str(run.id),
        **{name: getattr(run, name) for name in SimulationSummary.model_fields if name != "id"},
    }


def _route(address: str, view: type[ApiView], name: str) -> list[URLPattern]:
    function = view.as_view()
    return [path(f"{address}/", function, name=f"{name}-slash"), path(address, function, name=name)]


app_name = "lab-api"
urlpatterns = [
    *_route("simulations", Simulations, "simulations"),
    *_route("simulations/<str:simulation_id>", OneSimulation, "simulation"),
    *_route("simulations/<str:simulation_id>/cancel", CancelSimulation, "simulation-cancel"),
]
