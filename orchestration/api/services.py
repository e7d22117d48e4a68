"""Services: the instances that are registered, where they are, and how a service is called."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from orchestration.domain.errors import NotFound
from orchestration.registry import heartbeats, operations, queries

from . import parameters
from . import registry_shapes as shapes
from .bodies import InstanceBody, NothingBody, PolicyBody, ServiceBody
from .known_heartbeats import LET_IN
from .operation import ApiView, operation
from .preconditions import IF_MATCH_HEADER, precondition, tagged, version_asked
from .rates import HeartbeatRate, rate_key


class Services(ApiView):
    """The team's service instances."""

    @operation(
        "List service instances",
        query=(
            parameters.SERVICE,
            parameters.VERSION,
            parameters.TAG,
            parameters.INSTANCE_STATUS,
            parameters.HEALTH,
            parameters.METADATA,
            parameters.INSTANCES_CURSOR,
            parameters.page_size(500, 1_000),
        ),
        answers={200: shapes.ServiceList},
    )
    def get(self, request: Request) -> Response:
        """Return a page of the team's instances that fit all that is asked for, by the names of their services."""
        query = {**self.query, "tags": self.query["tag"] or (), "metadata": self.query["metadata"] or ()}
        for name in ("status", "health"):
            query[name] = self.query[name] or ()
        page = queries.list_instances(team_id=self.team_id, **{k: v for k, v in query.items() if k != "tag"})
        found = {
            "items": page.items,
            "next_cursor": page.next_cursor,
            "index": page.index,
            "doubts": queries.doubts(team_id=self.team_id),
        }
        return Response(shapes.ServiceList.model_validate(found))

    @operation("Register an instance", body=ServiceBody, answers={201: shapes.Service}, refusals=(409,))
    def post(self, request: Request) -> Response:
        """Register an instance of a service, or renew one: where it is, and how to see that it is well."""
        instance = operations.register(team_id=self.team_id, by=self.caller.name, **self.body.model_dump())
        location = {"Location": reverse("api:service", kwargs={"instance_id": instance.id})}
        return Response(shapes.Service.model_validate(instance), status=HTTPStatus.CREATED, headers=location)


class Service(ApiView):
    """One service instance."""

    @operation("Show an instance", answers={200: shapes.ServiceDetail}, refusals=(404,))
    def get(self, request: Request, instance_id: str) -> Response:
        """Return an instance with its health, and how that was before."""
        known = parameters.canonical_id(instance_id)
        instance = queries.get_instance(team_id=self.team_id, instance_id=known)
        history = queries.health_history(team_id=self.team_id, instance_id=known)
        return Response(shapes.ServiceDetail.model_validate({**asdict(instance), "health_history": history}))

    @operation("Change an instance", body=InstanceBody, answers={200: shapes.Service}, refusals=(403, 404))
    def patch(self, request: Request, instance_id: str) -> Response:
        """Change what an instance says of itself; what is left out stays. Its address is its identity, and stays."""
        known = parameters.canonical_id(instance_id)
        changes = self.body.model_dump(exclude_unset=True)
        instance = operations.update(team_id=self.team_id, instance_id=known, changes=changes, by=self.caller.name)
        return Response(shapes.Service.model_validate(instance))

    @operation("Deregister an instance", answers={204: None}, refusals=(403, 404))
    def delete(self, request: Request, instance_id: str) -> Response:
        """Deregister an instance: it gets no more calls."""
        known = parameters.canonical_id(instance_id)
        operations.deregister(team_id=self.team_id, instance_id=known, by=self.caller.name)
        return Response(status=HTTPStatus.NO_CONTENT)


class ServiceHeartbeat(ApiView):
    """That an instance lives."""

    throttle_classes = [HeartbeatRate]

    @operation(
        "Send a heartbeat", body=NothingBody, body_optional=True, answers={200: shapes.Heartbeat}, refusals=(403, 404)
    )
    def put(self, request: Request, instance_id: str) -> Response:
        """Say that an instance lives. It is written down within a second; one that was inactive is active again."""
        known = parameters.canonical_id(instance_id)
        heard = heartbeats.hear(team_id=self.team_id, instance_id=known)
        if not self.caller.person:
            shown = request.META["HTTP_AUTHORIZATION"]
            LET_IN.remember(shown, team_id=self.team_id, rate_key=rate_key(self.caller))
        return Response(shapes.Heartbeat.model_validate(heard))


class DrainService(ApiView):
    """An instance's last while."""

    @operation(
        "Drain an instance",
        body=NothingBody,
        body_optional=True,
        answers={200: shapes.Service},
        refusals=(403, 404, 409),
    )
    def post(self, request: Request, instance_id: str) -> Response:
        """Give an instance nothing new; what runs there may end. Registering it again ends the draining."""
        known = parameters.canonical_id(instance_id)
        instance = operations.drain(team_id=self.team_id, instance_id=known, by=self.caller.name)
        return Response(shapes.Service.model_validate(instance))


class NamedService(ApiView):
    """A service by its name: how it is called."""

    @operation("Show a service", answers={200: shapes.NamedService}, refusals=(404,))
    def get(self, request: Request, service: str) -> Response:
        """Return a service with its policy, every default in it, and its instances. `ETag` is the policy's version."""
        return _named(queries.get_service(team_id=self.team_id, name=_service_name(service)))

    @operation(
        "Change the policy of a service",
        body=PolicyBody,
        headers=(IF_MATCH_HEADER,),
        answers={200: shapes.NamedService},
        refusals=(403, 404, 409, 412),
    )
    def patch(self, request: Request, service: str) -> Response:
        """Lay `policy` over the service's policy, as a JSON Merge Patch (RFC 7396)."""
        name = _service_name(service)
        asked = version_asked(request)
        with precondition(asked, operations.PolicyChanged):
            changed = operations.update_policy(
                team_id=self.team_id,
                name=name,
                changes=self.body.policy,
                version=self.body.version if asked is None else asked,
                by=self.caller.name,
            )
        return _named(changed)


def _named(service: queries.ServiceView) -> Response:
    return Response(shapes.NamedService.model_validate(service), headers=tagged(service.policy_version))


def _service_name(text: str) -> str:
    if not parameters.SERVICE_NAME.fullmatch(text):
        raise NotFound("no service's name")
    return text
