"""The rows of the live settings: the versions that are kept, and what each changed. None is ever written again."""

from __future__ import annotations

from django.db import models


class SettingsVersion(models.Model):
    """All live settings as of one change: the highest version is what holds.

    `settings` is a JSON object of those that were set, as people write them; what it does not name has its default.
    """

    version = models.PositiveBigIntegerField(primary_key=True)
    # Microseconds (UTC). With the version it tells a change from another one that was rolled back.
    at = models.BigIntegerField()
    by = models.TextField(default="")
    reason = models.TextField(default="")
    # The version whose settings were brought back; null: none was.
    restored = models.PositiveBigIntegerField(null=True)
    settings = models.TextField()

    class Meta:
        db_table = "podium_settingsversion"
        verbose_name = "version of the settings"
        verbose_name_plural = "versions of the settings"

    def __str__(self) -> str:
        return f"version {self.version}"


class LiveSettings(SettingsVersion):
    """The settings as they are: what the admin site shows and changes on one page."""

    class Meta:
        proxy = True
        verbose_name = "live settings"
        verbose_name_plural = "live settings"


class SettingChange(models.Model):
    """What a version changed of one setting. `old` and `new` as people write them; null: the default."""

    version = models.ForeignKey(SettingsVersion, on_delete=models.PROTECT, related_name="changes")
    name = models.CharField(max_length=80)
    old = models.TextField(null=True)  # noqa: DJ001 - null: the default stood
    new = models.TextField(null=True)  # noqa: DJ001 - null: the default stands again

    class Meta:
        db_table = "podium_settingchange"
        constraints = [models.UniqueConstraint(fields=["version", "name"], name="setting_once_a_version")]
        # get_configuration, list_versions of one setting.
        indexes = [models.Index(fields=["name", "-version"], name="setting_history")]

    def __str__(self) -> str:
        return self.name
