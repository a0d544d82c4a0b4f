"""Dashboard and alerts speak of what the service really tells."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from infra.lint import find_promtool
from prodclf_serving.metrics.prometheus import ReplicaState, ServingMetrics

FOLDER = Path(__file__).parents[2] / "infra" / "monitoring"
ALERTS = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ADDED_BY_PROMETHEUS = {"job", "instance"}


def _expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in ALERTS)
    yield from (target["expr"] for panel in PANELS for target in panel["targets"])
    yield from (note["expr"] for note in DASHBOARD["annotations"]["list"])


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, set[str]]]:
    """Values of each label of each series that a service tells of once everything has happened."""
    from prodclf_assets.monitoring.drift.causes import CAUSES, Cause, DriftReport
    from prodclf_assets.monitoring.drift.signals import Signal
    from prodclf_serving.inference.predictor import Answer
    from prodclf_serving.metrics.live_drift import LiveReport

    metrics = ServingMetrics("r")
    for route in ("/predict", "/predict/batch"):
        for status in (200, 413, 500, 503):
            metrics.request(route, "POST", status, 0.01)
    metrics.answers([Answer("Home > Pans", 0.9, "auto", "", [], [])])
    metrics.call(3)
    signal = Signal("n", "h", 0.3, 0.2, 0.0, 0.01, 500, 200, "so")
    causes = tuple(Cause(name, (signal,)) for name in CAUSES)
    manifest = SimpleNamespace(created_at="2030-01-01T00:00:00+00:00")
    bundle: Any = SimpleNamespace(version="b", manifest=manifest)
    model: Any = SimpleNamespace(version="1", alias="a", loaded_at=1.0, degraded_reason=None, bundle=bundle)
    state = ReplicaState(model, drift=LiveReport(1.0, "1", DriftReport(500, causes)))
    found: dict[str, dict[str, set[str]]] = {"up": {}}
    for family in text_string_to_metric_families(metrics.render(state).decode()):
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


@pytest.mark.parametrize("expression", sorted(set(_expressions())))
def test_every_metric_label_and_value_exists(expression: str, told: dict[str, dict[str, set[str]]]) -> None:
    used = re.findall(r"\b(prodclf_\w+|up)\b(?:\{([^}]*)\})?", expression)
    assert used
    labels_of_all: set[str] = set(ADDED_BY_PROMETHEUS)
    for metric, selector in used:
        assert metric in told, metric
        labels_of_all |= set(told[metric])
        for label, operator, value in re.findall(r'(\w+)(=~|!=|!~|=)"([^"]*)"', selector):
            if label in ADDED_BY_PROMETHEUS:
                continue
            assert label in told[metric], f"{metric} has no label {label}"
            if operator in ("=", "=~") and label != "status":
                for one in value.split("|") if operator == "=~" else [value]:
                    assert any(re.fullmatch(one, known) for known in told[metric][label]), f"{metric} {one}"
    for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
        assert {name.strip() for name in group.split(",")} <= labels_of_all


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_names_only_labels_that_it_has_and_the_chosen_source(
    panel: dict[str, Any], told: Any
) -> None:
    for target in panel["targets"]:
        known = {"replica"} | set().union(
            *(told[name] for name in re.findall(r"\bprodclf_\w+", target["expr"]))
        )
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= known
        assert target["datasource"]["uid"] == panel["datasource"]["uid"] == "${datasource}"
        assert 'job=~"$job"' in target["expr"]


def test_the_dashboard_shows_every_metric(told: dict[str, dict[str, set[str]]]) -> None:
    shown = set(re.findall(r"\bprodclf_\w+", " ".join(_expressions())))
    parts = ("_created", "_bucket", "_sum", "_count")
    assert {name for name in told if not name.endswith(parts)} - {"up"} <= shown


def test_panels_neither_overlap_nor_leave_the_page() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_it_means_what_to_look_at_and_what_to_do(alert: dict[str, Any]) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^### {alert['alert']}\n(.*?)(?=^### |\Z)", readme, re.DOTALL | re.MULTILINE)
    assert [f"**{part}**: " in section for part in ("Means", "Look at", "Do")] == [True] * 3
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert set(alert["annotations"]) == {"summary", "description"}
    tests = (FOLDER / "alerts_test.yml").read_text()
    assert re.search(rf"alertname: {alert['alert']}\n\s+exp_alerts", tests), "no test lets it come"


def test_the_readme_speaks_of_no_other_alert() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"Prodclf[A-Z]\w+", readme)) == {alert["alert"] for alert in ALERTS}


def _promtool(*arguments: str | Path) -> None:
    program = find_promtool()
    if program is None:
        pytest.skip("no promtool: `python -m infra.lint` unpacks one on Debian and Ubuntu")
    done = subprocess.run([program, *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_its_configuration() -> None:
    _promtool("check", "config", "prometheus.yml")


def test_alerts_come_when_they_should() -> None:
    _promtool("test", "rules", "alerts_test.yml")


def test_prometheus_understands_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(_expressions())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    _promtool("check", "rules", file)


def test_the_scrape_asks_where_the_service_listens() -> None:
    from prodclf_serving.settings import ServingSettings

    (scrape,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    serving = ServingSettings.model_fields
    assert scrape["static_configs"][0]["targets"] == [f"{serving['host'].default}:{serving['port'].default}"]
    assert scrape["job_name"] == "prodclf"
    assert 'job="prodclf"' in next(alert["expr"] for alert in ALERTS if alert["alert"] == "ProdclfDown")
