"""Settings fail at start, naming what is missing or wrong."""

import pytest

from longhaul import settings


@pytest.fixture(autouse=True)
def fresh() -> None:
    settings.of.cache_clear()


def test_each_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_SECRET_ARN", raising=False)
    monkeypatch.setenv("DATABASE_TLS", "perhaps")
    with pytest.raises(settings.SettingsError, match=r"(?s)DATABASE_SECRET_ARN: .*required.*DATABASE_TLS: "):
        settings.require(settings.Database)


def test_values_are_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIND_MODULES", "hospitals.kinds, roles.kinds,")
    monkeypatch.setenv("WORKFLOW_ARNS", '{"Refresh": "arn:1"}')
    assert settings.of(settings.Kinds).kind_modules == ["hospitals.kinds", "roles.kinds"]
    assert settings.of(settings.Workflows).workflow_arns == {"Refresh": "arn:1"}
