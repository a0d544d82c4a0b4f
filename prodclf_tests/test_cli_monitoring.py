"""`prodclf drift`: on a real registry, lake and model."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.cli import main
from prodclf_assets.cli.drift import Since
from prodclf_assets.lake import Lake, open_lake
from prodclf_assets.registry import Registry, open_registry
from prodclf_assets.settings import get_settings
from prodclf_tests.monitoring.conftest import log_answers, shop_rows

NOW = datetime.now(UTC)


@pytest.fixture
def home(tmp_path: Path, mlflow_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with an empty registry and lake."""
    for name in ("LAKE", "SOURCE", "SOURCE_CONFIG", "MODEL_NAME", "MODEL_ALIAS"):
        monkeypatch.delenv(f"PRODCLF_{name}", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_uri)
    monkeypatch.setenv("PRODCLF_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


@pytest.fixture
def lake(home: Path) -> Lake:
    return open_lake(get_settings().lake)


@pytest.fixture
def registry(home: Path, trained_bundle_folder: Path, lake: Lake) -> Registry:
    """A registry whose champion is the session's trained model, version 1."""
    registry = open_registry(get_settings())
    registry.log_and_register(trained_bundle_folder)
    registry.promote(1, "the first", lake)
    return registry


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


# drift


@pytest.mark.parametrize(
    ("text", "ago"),
    [("36h", timedelta(hours=36)), ("7d", timedelta(days=7)), ("4w", timedelta(weeks=4))],
)
def test_spans_are_counted_from_now(text: str, ago: timedelta) -> None:
    found = Since().convert(text, None, None)
    assert abs(datetime.now(UTC) - ago - found) < timedelta(minutes=1)


def test_dates_are_utc_unless_they_say() -> None:
    assert Since().convert("2030-01-31", None, None) == datetime(2030, 1, 31, tzinfo=UTC)
    assert Since().convert("2030-01-31T12:00+02:00", None, None) == datetime(2030, 1, 31, 10, tzinfo=UTC)


def test_without_a_model_drift_says_so_and_is_no_failure(home: Path) -> None:
    result = run("drift")
    assert result.exit_code == 0
    assert result.stderr.strip() == "no model is live yet"
    assert json.loads(run("drift", "--json").stdout)["state"] == "nothing to compare yet"


def test_drift_is_a_table_for_people_json_for_programs_and_a_page(
    home: Path, registry: Registry, lake: Lake, trained_bundle: Bundle
) -> None:
    log_answers(lake, trained_bundle, shop_rows(11, 0, 900), at=NOW - timedelta(hours=3))
    result = run("drift", "--html", "drift.html")
    assert result.exit_code == 0, result.stderr
    (brand,) = [line for line in result.stdout.splitlines() if line.startswith("brand")]
    assert "yes" in brand
    assert "have a new brand" in brand
    assert "advice: label" in result.stderr
    assert "brand, for example: '" in result.stderr
    assert "<h1>Drift:" in (home / "drift.html").read_text(encoding="utf-8")
    report = json.loads(run("drift", "--json").stdout)
    assert report["drifted"] is True
    assert report["model_version"] == "1"
    assert json.loads(run("drift", "--json", "--since", "1h").stdout)["answers"] == 0
