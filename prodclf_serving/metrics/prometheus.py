"""Prometheus metrics of one replica."""

from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from prodclf_assets.catalog.columns import PATH_SEPARATOR
from prodclf_assets.classifier.calibration.thresholds import DECISIONS, Decision
from prodclf_serving.inference.loaded_model import LoadedModel
from prodclf_serving.inference.predictor import Answer, Call
from prodclf_serving.metrics.live_drift import LiveReport
from prodclf_serving.model.holder import RefreshResult
from prodclf_serving.recording.prediction_log import WriteResult

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LATENCY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)
_MAX_CATEGORIES = 100


@dataclass(frozen=True)
class ReplicaState:
    """What is so at the moment of a scrape.

    Attributes:
        model: the live model, if there is one.
        pending_requests, pending_rows: waiting or running.
        request_log_dropped: lines that were dropped since the start.
        prediction_log_waiting: answers that wait to be written.
        drift: what was found last; None before there were enough answers of the live model.
    """

    model: LoadedModel | None
    pending_requests: int = 0
    pending_rows: int = 0
    request_log_dropped: int = 0
    prediction_log_waiting: int = 0
    drift: LiveReport | None = None


class ServingMetrics:
    """Counts and times what a replica does; label values are bounded, so memory is too.

    Args:
        replica: name of the process in every series, since a scrape shows all replicas.
        replicas: how many there should be.
    """

    def __init__(self, replica: str, replicas: int = 1) -> None:
        self._registry = CollectorRegistry()
        self._replica = replica
        self._categories: dict[str, Counter] = {}
        self._counted: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._requests = self._counter("requests", "Answered requests.", "route", "method", "status")
        self._seconds = Histogram(
            "prodclf_request_seconds",
            "Time from the request's arrival to the end of its answer.",
            ("replica", "route"),
            buckets=_LATENCY_SECONDS,
            registry=self._registry,
        )
        self._decisions = self._counter("decisions", "Predictions by decision.", "decision")
        self._by_category = self._counter("categories", "Predictions by coarsest category.", "category")
        self._item_errors = self._counter("item_errors", "Products that could not be classified.")
        self._degraded = self._counter("degraded_answers", "Answers flagged as degraded.")
        self._refreshes = self._counter("model_refreshes", "Looks at the model alias, by outcome.", "outcome")
        self._call_rows = Histogram(
            "prodclf_call_rows",
            "Products in one vectorised prediction call.",
            ("replica",),
            buckets=_ROWS,
            registry=self._registry,
        ).labels(replica)
        self._model = self._gauge("model_info", "The live model; always 1.", "version", "bundle", "alias")
        self._loaded = self._gauge("model_loaded_timestamp_seconds", "When the live model was loaded.")
        self._gauge("replicas_configured", "How many replicas there should be.").labels(replica).set(replicas)
        self._created = self._gauge("model_created_timestamp_seconds", "When the live model was trained.")
        self._degraded_model = self._gauge("model_degraded", "1 while the answers are flagged as degraded.")
        self._pending = self._gauge("pending", "Waiting or running in this replica.", "what")
        self._log_dropped = self._gauge("request_log_dropped", "Request log lines that were dropped.")
        self._logged = self._counter("prediction_log_rows", "Answers for the prediction log.", "outcome")
        self._flushes = self._counter("prediction_log_flushes", "Writes of the prediction log.", "outcome")
        self._feedback = self._counter("feedback", "Feedback by people.", "outcome")
        self._drift_effect = self._gauge("drift_effect", "Size of the largest change, by cause.", "cause")
        self._drift_threshold = self._gauge("drift_threshold", "Size from which a change counts.", "cause")
        self._drifted = self._gauge("drift_detected", "1 when a change is large and no chance.", "cause")
        self._drift_rows = self._gauge("drift_window_rows", "Answers that the drift was measured on.")
        self._drift_time = self._gauge("drift_measured_timestamp_seconds", "When it was.")
        self._waiting = self._gauge("prediction_log_waiting_rows", "Answers that wait to be written.")
        self._begin_at_zero()
        self._decided = {decision: self._decisions.labels(replica, decision) for decision in DECISIONS}

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request; `route` is the path's template, never the path itself."""
        counted = self._counted.get((route, method, status))
        if counted is None:  # to look labels up costs more than to count
            counted = self._counted[route, method, status] = (
                self._requests.labels(self._replica, route, method, str(status)),
                self._seconds.labels(self._replica, route),
            )
        requests, latency = counted
        requests.inc()
        latency.observe(seconds)

    def answers(self, answers: Sequence[Answer]) -> None:
        """Count the answers of one request."""
        kinds = map(_kind, answers)
        for kind, count in ((next(kinds), 1),) if len(answers) == 1 else Tally(kinds).items():
            if kind is None:
                continue
            self._count(*kind, count)

    def calls(self, calls: Sequence[Call]) -> None:
        """Count the answers of one request that came in columns."""
        for call in calls:
            found = Tally(zip(call.predictions.decision, call.predictions.category, strict=True))
            for (decision, category), count in found.items():
                if category:  # without one there was no title: no answer
                    self._count(decision, category, call.degraded_reason is not None, count)

    def item_errors(self, count: int) -> None:
        """Count products that could not be classified."""
        self._item_errors.labels(self._replica).inc(count)

    def call(self, rows: int) -> None:
        """Record the size of one prediction call."""
        self._call_rows.observe(rows)

    def refresh(self, outcome: str) -> None:
        """Count one look at the model alias."""
        self._refreshes.labels(self._replica, outcome).inc()

    def logged(self, outcome: str, rows: int) -> None:
        """Count answers that were written to the prediction log, or dropped from it."""
        self._logged.labels(self._replica, outcome).inc(rows)

    def flushed(self, succeeded: bool) -> None:
        """Count one write of the prediction log."""
        self._flushes.labels(self._replica, "succeeded" if succeeded else "failed").inc()

    def feedback(self, outcome: str, rows: int) -> None:
        """Count feedback that was stored, or failed to be."""
        self._feedback.labels(self._replica, outcome).inc(rows)

    def render(self, state: ReplicaState) -> bytes:
        """All metrics in Prometheus' text format, with the present state of model, queue and logs."""
        self._model.clear()
        if (model := state.model) is not None:
            self._model.labels(self._replica, model.version, model.bundle.version, model.alias).set(1)
            self._loaded.labels(self._replica).set(model.loaded_at)
            self._created.labels(self._replica).set(_seconds(model.bundle.manifest.created_at))
            self._degraded_model.labels(self._replica).set(model.degraded_reason is not None)
        self._pending.labels(self._replica, "requests").set(state.pending_requests)
        self._pending.labels(self._replica, "rows").set(state.pending_rows)
        self._log_dropped.labels(self._replica).set(state.request_log_dropped)
        self._waiting.labels(self._replica).set(state.prediction_log_waiting)
        self._show_drift(state.drift)
        return generate_latest(self._registry)

    def _count(self, decision: Decision, category: str, degraded: bool, count: int) -> None:
        self._decided[decision].inc(count)
        self._category(category.partition(PATH_SEPARATOR)[0]).inc(count)
        if degraded:
            self._degraded.labels(self._replica).inc(count)

    def _show_drift(self, found: LiveReport | None) -> None:
        for gauge in (self._drift_effect, self._drift_threshold, self._drifted):
            gauge.clear()
        self._drift_rows.labels(self._replica).set(found.report.rows if found else 0)
        if found is None:
            return
        self._drift_time.labels(self._replica).set(found.measured_at)
        for cause in found.report.causes:
            if (lead := cause.leading) is not None and cause.measured:
                self._drift_effect.labels(self._replica, cause.name).set(lead.effect)
                self._drift_threshold.labels(self._replica, cause.name).set(lead.threshold)
                self._drifted.labels(self._replica, cause.name).set(cause.drifted)

    def _begin_at_zero(self) -> None:
        """Show what has not happened yet as 0: of a counter that first appears as 1, Prometheus sees no increase."""
        for counter, values in (
            (self._decisions, DECISIONS),
            (self._refreshes, get_args(RefreshResult)),
            (self._logged, get_args(WriteResult)),
            (self._flushes, ("succeeded", "failed")),
            (self._feedback, ("stored", "failed")),
        ):
            for value in values:
                counter.labels(self._replica, value)
        self._degraded.labels(self._replica)
        self._item_errors.labels(self._replica)

    def _category(self, coarse: str) -> Counter:
        found = self._categories.get(coarse)
        if found is None:
            if len(self._categories) >= _MAX_CATEGORIES:
                return self._by_category.labels(self._replica, "other")
            found = self._categories[coarse] = self._by_category.labels(self._replica, coarse)
        return found

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"prodclf_{name}", text, ("replica", *labels), registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"prodclf_{name}", text, ("replica", *labels), registry=self._registry)


def _kind(answer: Answer) -> tuple[Decision, str, bool] | None:
    """What is counted of an answer: its decision, its coarsest category, whether it is degraded; None without one."""
    if answer.error is not None:
        return None
    degraded = answer.call is not None and answer.call.degraded_reason is not None
    return answer.decision, answer.category.partition(PATH_SEPARATOR)[0], degraded


def _seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()
