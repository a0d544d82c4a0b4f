"""One replica's parts and how they work together, independent of the web framework and of Ray."""

import logging
import os
import re
import socket
import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prodclf_assets.catalog.event_logs import FEEDBACK, PREDICTION_LOG
from prodclf_assets.catalog.product import ProductBatch, Record
from prodclf_assets.classifier.kernels import available_cores
from prodclf_assets.lake import EventLog, EventSchema, open_lake
from prodclf_assets.monitoring.audit.overlay import read_overlay
from prodclf_assets.registry import open_follower
from prodclf_serving.inference.loaded_model import LoadedModel
from prodclf_serving.inference.micro_batcher import MicroBatcher
from prodclf_serving.inference.predictor import Answer, Call, answer_batch, answer_records
from prodclf_serving.metrics.live_drift import LiveDrift
from prodclf_serving.metrics.prometheus import ReplicaState, ServingMetrics
from prodclf_serving.model.cache import ModelCache
from prodclf_serving.model.holder import ModelHolder
from prodclf_serving.problems import ProblemError, no_model
from prodclf_serving.recording.feedback_store import FeedbackStore
from prodclf_serving.recording.prediction_log import PredictionLog
from prodclf_serving.recording.recorder import Recorder
from prodclf_serving.recording.request_log import RequestLog
from prodclf_serving.settings import ServiceConfig

if TYPE_CHECKING:
    import pyarrow as pa

_CANARY: Record = {"title": "Canary: stainless steel water bottle 1 litre"}
_STALLED_SECONDS = 30.0
_MOST_LONG_THREADS = 4
_COMPLAINT_SECONDS = 10.0

logger = logging.getLogger("prodclf.serving")


class Service:
    """Answers products with the live model.

    Args:
        config: how.
        holder: the model; one that follows the configured registry when None.
    """

    def __init__(self, config: ServiceConfig, holder: ModelHolder | None = None) -> None:
        serving = config.serving
        self.config = config
        self.replica = f"{socket.gethostname()}-{os.getpid()}"
        # A process id may come again, in a container it always does; what was written before must stay.
        self.writer = re.sub(r"[^A-Za-z0-9.-]", "-", f"{self.replica}-{uuid.uuid4().hex[:8]}")
        self.metrics = ServingMetrics(self.replica, serving.replicas)
        self.holder = holder or ModelHolder(
            lambda: open_follower(config.settings),
            config.settings.model_alias,
            ModelCache(config.model_cache, config.settings.model_name),
            self.metrics.refresh,
            lambda known: read_overlay(open_lake(config.settings.lake), known),
        )
        self.batcher: MicroBatcher[LoadedModel, Record, Answer] = MicroBatcher(
            self._answer_call,
            max_rows=serving.micro_batch_rows,
            long_threads=max(1, min(_MOST_LONG_THREADS, available_cores() // serving.replicas)),
            max_pending_requests=serving.max_pending_requests,
            max_pending_rows=serving.max_pending_rows,
            fallback=self._fallback_call,
            budget_seconds=serving.predict_seconds,
        )
        self._complained = float("-inf")
        self.log = RequestLog(config.request_log) if config.request_log else None
        self.prediction_log = self._prediction_log() if serving.prediction_log else None
        self.feedback = FeedbackStore(lambda: self._events(FEEDBACK), self.writer, self.metrics.feedback)
        self.drift = LiveDrift()
        self.recorder = Recorder(
            [self._log_predictions, self.drift.add], lambda rows: self.metrics.logged("dropped", rows)
        )
        self.draining = False

    def start(self) -> None:
        """Load the model, if there is one, and begin to follow the alias and to write the logs."""
        if self.log is not None:
            self.log.start()
        if self.prediction_log is not None:
            self.prediction_log.start()
        self.recorder.start()
        self.holder.start(self.config.serving.poll_seconds)

    def stop(self) -> None:
        """End all threads; what the logs have buffered is written."""
        self.holder.stop()
        self.batcher.close()
        self.feedback.close()
        self.recorder.stop()
        if self.prediction_log is not None:
            self.prediction_log.stop()
        if self.log is not None:
            self.log.stop()

    def model(self) -> LoadedModel:
        """The live model; a request asks once, so that one model answers all of it.

        Raises:
            ProblemError: 503 with Retry-After, when none has been loaded yet.
        """
        model = self.holder.current
        if model is None:
            raise no_model(self.holder.last_error or "no model has been loaded yet")
        return model

    async def answer(
        self, model: LoadedModel, records: Sequence[Record], request_id: str, *, recorded: bool = True
    ) -> list[Answer]:
        """Classify products, together with those of other requests that wait, and record what is answered.

        Args:
            model: what answers.
            records: the products.
            request_id: of the request.
            recorded: for the prediction log and the measures of drift; not what a person only tries.

        Raises:
            ProblemError: 503 with Retry-After, when too many wait already.
        """
        with self.batcher.admission(len(records)):
            answers = await self.batcher.submit(model, records)
        self.metrics.answers(answers)
        if recorded:
            self.recorder.add(request_id, model, records, answers)
        return answers

    async def answer_batch(
        self, model: LoadedModel, batch: ProductBatch, product_ids: Sequence[str], request_id: str
    ) -> list[Call]:
        """The same of products in columns: calls over parts of them, in order.

        Args:
            model: what answers.
            batch: the products.
            product_ids: the id of each, "" where it has none.
            request_id: of the request.

        Raises:
            ProblemError: 503 with Retry-After, when too many wait already.
        """
        top_k = self.config.serving.top_k

        def work(start: int, stop: int) -> Call:
            self.metrics.call(stop - start)
            return answer_batch(model, batch.part(start, stop), top_k)

        def fallback(start: int, stop: int, error: Exception | None) -> Call:
            return answer_batch(model, batch.part(start, stop), top_k, self.without_ranker(error))

        with self.batcher.admission(len(batch)):
            calls = await self.batcher.in_parts(len(batch), work, fallback)
        self.metrics.calls(calls)
        self.recorder.add_calls(request_id, model, product_ids, calls)
        return calls

    async def canary(self) -> LoadedModel:
        """See the live model answer, through the same queue and thread as requests.

        Raises:
            ProblemError: 503, when there is no model or the service is stopping.
        """
        if self.draining:
            detail = "the service is stopping; ask another replica"
            raise ProblemError(503, "draining", detail, retry_after=5)
        model = self.model()
        await self.batcher.submit(model, [_CANARY])
        return model

    async def check_alive(self, patience: float = _STALLED_SECONDS) -> None:
        """See that predictions still come out; without a model there is nothing to see.

        Args:
            patience: how many seconds a call may be running.

        Raises:
            RuntimeError: the prediction thread is stuck, or the live model fails on the canary.
        """
        stalled = self.batcher.stalled_seconds()
        if stalled > patience:
            raise RuntimeError(f"a prediction call has been running for {stalled:.0f} s")
        if self.holder.current is not None and self.batcher.pending_requests == 0:
            await self.batcher.submit(self.holder.current, [_CANARY])

    def metrics_text(self) -> bytes:
        """This replica's metrics in Prometheus' text format."""
        state = ReplicaState(
            self.holder.current,
            self.batcher.pending_requests,
            self.batcher.pending_rows,
            self.log.dropped if self.log else 0,
            self.prediction_log.waiting if self.prediction_log else 0,
            self.drift.found,
        )
        return self.metrics.render(state)

    def _prediction_log(self) -> PredictionLog:
        serving = self.config.serving
        return PredictionLog(
            lambda: self._events(PREDICTION_LOG),
            self.writer,
            share=serving.prediction_log,
            seconds=serving.prediction_log_seconds,
            max_bytes=serving.prediction_log_mb * 1024 * 1024,
            on_rows=self.metrics.logged,
            on_flush=self.metrics.flushed,
        )

    def _events(self, log: EventSchema) -> EventLog:
        return open_lake(self.config.settings.lake).events(log)

    def _log_predictions(self, model: LoadedModel, table: "pa.Table") -> None:
        if self.prediction_log is not None:
            self.prediction_log.add(table)

    def _answer_call(self, model: LoadedModel, records: Sequence[Record]) -> list[Answer]:
        self.metrics.call(len(records))
        return answer_records(model, records, self.config.serving.top_k)

    def _fallback_call(
        self, model: LoadedModel, records: Sequence[Record], error: Exception | None
    ) -> list[Answer]:
        reason = self.without_ranker(error)
        return answer_records(model, records, self.config.serving.top_k, reason)

    def without_ranker(self, error: Exception | None) -> str:
        """Why the retriever answers alone: the ranker failed with an error, or overran its budget; logged now and then."""
        budget = self.config.serving.predict_seconds
        what = "failed" if error else f"took longer than {budget:g} s"
        if time.monotonic() - self._complained > _COMPLAINT_SECONDS:
            self._complained = time.monotonic()
            logger.error("the ranker %s, the retriever answers alone", what, exc_info=error)
        return f"the ranker {what}; the retriever answered alone"
