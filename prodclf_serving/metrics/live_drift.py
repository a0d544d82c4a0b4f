"""Drift as one replica sees it: the latest answers against what the model knows of its training, behind the requests."""

import logging
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prodclf_assets.monitoring.drift.causes import DriftReport
from prodclf_assets.monitoring.drift.measure import measure
from prodclf_assets.monitoring.drift.reference import Reference, reference_of
from prodclf_assets.monitoring.drift.window import WINDOW_COLUMNS, DriftWindow
from prodclf_serving.inference.loaded_model import LoadedModel

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger("prodclf.serving")

WINDOW_ROWS = 1_000
_NEW_ROWS = 250
_PAUSE_SECONDS = 30.0


@dataclass(frozen=True)
class LiveReport:
    """What was found last.

    Attributes:
        measured_at: when, in seconds since the epoch.
        model_version: the model that had answered.
        report: cause by cause.
    """

    measured_at: float
    model_version: str
    report: DriftReport

    def to_dict(self) -> dict[str, Any]:
        """The report as `/model` shows it: of each cause the comparison that says most."""
        # Whether answers are right is for people to say, later: `prodclf drift` counts that.
        causes = [cause.to_dict() for cause in self.report.causes if cause.name != "accuracy"]
        for cause in causes:
            del cause["signals"]
        return {
            "measured_at": datetime.fromtimestamp(self.measured_at, UTC).isoformat(timespec="seconds"),
            "rows": self.report.rows,
            "advice": self.report.advice,
            "drifted": [cause.name for cause in self.report.drifted],
            "causes": causes,
        }


class LiveDrift:
    """A window of the last 1,000 answers of the live model.

    It is measured once a quarter of it is new, and at most every half minute: the same products, looked at again and
    again, would only give chance more opportunities. Another model begins another window.
    """

    def __init__(self) -> None:
        self._version: str | None = None
        self._reference: Reference | None = None
        self._tables: deque[pa.Table] = deque()
        self._rows = 0
        self._new = 0
        self._measured = 0.0
        self.found: LiveReport | None = None

    def add(self, model: LoadedModel, table: "pa.Table") -> None:
        """Take answers of a model, in the columns of the prediction log, and measure when it is time."""
        if model.version != self._version:
            self._begin(model)
        if self._reference is None:
            return
        self._tables.append(table.select(WINDOW_COLUMNS))
        self._rows += len(table)
        self._new += len(table)
        while self._rows - len(self._tables[0]) >= WINDOW_ROWS:
            self._rows -= len(self._tables.popleft())
        rested = time.monotonic() - self._measured >= _PAUSE_SECONDS
        if self._new >= _NEW_ROWS and (self.found is None or rested):
            self._measure(model.version, self._reference)

    def _begin(self, model: LoadedModel) -> None:
        self._version = model.version
        self._tables.clear()
        self._rows = self._new = 0
        self.found = self._reference = None
        try:
            self._reference = reference_of(model.bundle)
        except Exception as error:
            # A bundle whose profile is not understood still answers; only its drift is not to be had.
            logger.warning("no drift is measured of model version %s: %r", model.version, error)

    def _measure(self, version: str, reference: Reference) -> None:
        import pyarrow as pa

        self._new = 0
        self._measured = time.monotonic()
        latest = pa.concat_tables(self._tables)
        window = DriftWindow.from_table(latest.slice(max(0, len(latest) - WINDOW_ROWS)))
        report = measure(reference, window)
        before = {cause.name for cause in self.found.report.drifted} if self.found else set()
        self.found = LiveReport(time.time(), version, report)
        for cause in report.drifted:
            if cause.name not in before:
                logger.warning("drift of %s: %s; advice: %s", cause.name, cause.sentence, cause.advice)
