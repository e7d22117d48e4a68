"""The live settings: read by everybody, changed by who runs the site, each change a version with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from orchestration.configuration import operations, queries

from . import parameters
from .authentication import IsCaller, MayAct, MayConfigure
from .bodies import RestoreBody, SettingBody, SettingsBody
from .configuration_shapes import Configuration, Setting, SettingsHistory
from .operation import ApiView, operation
from .preconditions import IF_MATCH_HEADER, precondition, tagged, version_asked
from .waiting import place_to_wait


class ConfigurationView(ApiView):
    """The root of these views."""

    permission_classes = [IsCaller, MayAct, MayConfigure]
    readable_by_all = True

    def change(self, request: Request, values: Mapping[str, Any], *, whole: bool = False) -> queries.ConfigurationView:
        """Change settings as the body and `If-Match` say."""
        asked = version_asked(request)
        with precondition(asked, operations.SettingsStale):
            return operations.change_settings(
                values=values,
                by=self.caller.name,
                reason=self.body.reason if self.body is not None else "",
                expected=asked if asked is not None or self.body is None else self.body.version,
                whole=whole,
            )


def _all(view: queries.ConfigurationView) -> Response:
    return Response(Configuration.model_validate(view), headers=tagged(view.version))


def _one(view: queries.ConfigurationView, name: str) -> Response:
    setting = next(each for each in view.settings if each.name == name)
    return Response(Setting.model_validate(setting), headers=tagged(view.version))


class Settings(ConfigurationView):
    """All live settings."""

    @operation(
        "Show the live settings",
        query=(parameters.AFTER_VERSION, parameters.WAIT_FOR_CHANGE),
        answers={200: Configuration},
    )
    def get(self, request: Request) -> Response:
        """Return all settings; with `after` and `wait` once there is a later version, or when the time is up."""
        after, wait = self.query["after"], self.query["wait"]
        if after is None or not wait:
            return _all(queries.get_configuration())
        with place_to_wait() as free:
            return _all(queries.get_configuration(after=after, wait=wait if free else 0.0))

    @operation(
        "Replace the live settings",
        body=SettingsBody,
        headers=(IF_MATCH_HEADER,),
        answers={200: Configuration},
        refusals=(403, 409, 412),
    )
    def put(self, request: Request) -> Response:
        """Set these settings and give all others their defaults again."""
        return _all(self.change(request, self.body.values, whole=True))

    @operation(
        "Change live settings",
        body=SettingsBody,
        headers=(IF_MATCH_HEADER,),
        answers={200: Configuration},
        refusals=(403, 409, 412),
    )
    def patch(self, request: Request) -> Response:
        """Set these settings, and leave all others as they are; null gives one its default again."""
        return _all(self.change(request, self.body.values))


class LiveSetting(ConfigurationView):
    """One live setting."""

    body: Any = None

    @operation("Show a live setting", answers={200: Setting}, refusals=(404,))
    def get(self, request: Request, setting: str) -> Response:
        """Return one setting."""
        queries.setting_named(setting)
        return _one(queries.get_configuration(), setting)

    @operation(
        "Change a live setting",
        body=SettingBody,
        headers=(IF_MATCH_HEADER,),
        answers={200: Setting},
        refusals=(403, 404, 409, 412),
    )
    def put(self, request: Request, setting: str) -> Response:
        """Set one setting; null gives it its default again."""
        queries.setting_named(setting)
        return _one(self.change(request, {setting: self.body.value}), setting)

    @operation(
        "Reset a live setting",
        headers=(IF_MATCH_HEADER,),
        answers={200: Setting},
        refusals=(403, 404, 409, 412),
    )
    def delete(self, request: Request, setting: str) -> Response:
        """Give one setting its default again."""
        queries.setting_named(setting)
        return _one(self.change(request, {setting: None}), setting)


class History(ConfigurationView):
    """Who changed the live settings."""

    readable_by_all = False

    @operation(
        "List changes of the live settings",
        query=(parameters.SETTING, parameters.page_size(50, 200), parameters.VERSIONS_CURSOR),
        answers={200: SettingsHistory},
        refusals=(403,),
    )
    def get(self, request: Request) -> Response:
        """Return a page of versions, the newest first; with `name` those that changed this setting."""
        return Response(SettingsHistory.model_validate(queries.list_versions(**self.query)))


class RestoreSettings(ConfigurationView):
    """A return to an earlier version."""

    @operation(
        "Restore a version of the live settings",
        body=RestoreBody,
        headers=(IF_MATCH_HEADER,),
        answers={200: Configuration},
        refusals=(403, 404, 409, 412),
    )
    def post(self, request: Request) -> Response:
        """Set all settings as they were at a version. That makes a new version; none is ever taken back."""
        body: RestoreBody = self.body
        asked = version_asked(request)
        with precondition(asked, operations.SettingsStale):
            restored = operations.restore_version(
                version=body.restore,
                by=self.caller.name,
                reason=body.reason,
                expected=body.version if asked is None else asked,
            )
        return _all(restored)
