"""Drift over a stretch of the prediction log: what was answered, how people labelled it, and what to do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.event_logs import FEEDBACK, PREDICTION_LOG
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.splits import Reframing
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.errors import BundleError
from prodclf_assets.lake import EventLog, Lake
from prodclf_assets.monitoring.annotation import QUEUED_SOURCES, standing
from prodclf_assets.monitoring.drift.causes import Cause, DriftReport
from prodclf_assets.monitoring.drift.measure import Verdicts, measure
from prodclf_assets.monitoring.drift.reference import reference_of
from prodclf_assets.monitoring.drift.window import WINDOW_COLUMNS, DriftWindow
from prodclf_assets.monitoring.live_model import LiveModel

if TYPE_CHECKING:
    import pyarrow as pa

    from prodclf_assets.classifier.bundle import Bundle

MOST_ANSWERS: Final = 50_000
"""The latest so many answers are looked at: far more than it takes to see the smallest change that counts."""
COMPARED, NOTHING_YET = "compared", "nothing to compare yet"


@dataclass(frozen=True, eq=False)
class Judged:
    """Products that people labelled in review files, with the model's own answers to them.

    Attributes:
        products: a frame of the feedback log's columns.
        predicted: the model's answers.
        verdicts: their confidence, and whether people agreed.
    """

    products: pd.DataFrame
    predicted: list[str]
    verdicts: Verdicts


def _nothing_yet(
    sentence: str, since: datetime, until: datetime, version: str | None = None
) -> dict[str, Any]:
    """The report of a stretch in which there is nothing to compare, or nothing to compare with; `sentence` says why."""
    return _report(DriftReport(0, ()), NOTHING_YET, sentence, since, until, version)


def drift_report(
    find_model: Callable[[], LiveModel | None], lake: Lake, since: datetime, until: datetime
) -> dict[str, Any]:
    """Compare what the live model answered between two times with its training.

    A product that was asked several times counts once. Of the annotations, only those of review files and of the desk count, and only
    what came after the training: whoever corrects single answers sends the wrong ones.

    Args:
        find_model: gives the live model, None when there is none.
        lake: holds the prediction log and the feedback log.
        since, until: aware times.

    Returns:
        The report, JSON-able: `DriftReport.to_dict`, the stretch, and example products by cause. Where there is nothing to
        compare its `state` is `NOTHING_YET`, and its `sentence` says why.
    """
    try:
        model = find_model()
    except BundleError as error:
        return _nothing_yet(f"the live model cannot be read ({error})", since, until)
    if model is None:
        return _nothing_yet("no model is live yet", since, until)
    return _compared(model.version, model.bundle, lake, since, until)


def _compared(version: str, bundle: "Bundle", lake: Lake, since: datetime, until: datetime) -> dict[str, Any]:
    answers, table = latest_answers(lake.events(PREDICTION_LOG), version, since, until)
    if not answers:
        why = f"model version {version} has answered nothing since {since:%Y-%m-%d %H:%M} UTC that was logged"
        return _nothing_yet(why, since, until, version)
    window = DriftWindow.from_table(table)
    trained = datetime.fromisoformat(bundle.provenance.created_at)
    judged = judge(lake.events(FEEDBACK), bundle, max(since, trained), until)
    report = measure(reference_of(bundle), window, verdicts=judged.verdicts if judged else None)
    examples = {
        cause.name: _judged_examples(cause, judged)
        if cause.name == "accuracy" and judged
        else _examples(cause, window)
        for cause in report.drifted
    }
    return {
        **_report(report, COMPARED, _sentence(report, version), since, until, version),
        "answers": answers,
        "labels": len(judged.predicted) if judged else 0,
        "examples": examples,
    }


def latest_answers(
    predictions: EventLog, version: str, since: datetime, until: datetime
) -> tuple[int, "pa.Table"]:
    """How many answers a model gave between two times, and the latest different products among them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    answers, kept = 0, []
    for part in predictions.batches(since, until, ["model_version", *WINDOW_COLUMNS]):
        own = part.filter(pc.equal(part["model_version"], version)).drop_columns(["model_version"])
        answers += len(own)
        kept.append(own)
        while sum(map(len, kept)) - len(kept[0]) >= MOST_ANSWERS:
            kept.pop(0)
    if not answers:
        return 0, None
    table = pa.concat_tables(kept)
    products = table.select(["title", "brand", "seller_id"]).to_pandas()
    last = np.flatnonzero(~products.duplicated(keep="last").to_numpy())
    return answers, table.take(pa.array(last[-MOST_ANSWERS:]))


def judge(annotations: EventLog, bundle: "Bundle", since: datetime, until: datetime) -> Judged | None:
    """Ask the model of the products of the queue that people judged between two times; None when there are none."""
    frame = standing(annotations.read(since, until).to_pandas())
    frame = frame[frame["source"].isin(QUEUED_SOURCES) & frame["title"].notna() & frame[LABEL_COLUMN].notna()]
    if frame.empty:
        return None
    frame = frame[~product_key(frame).duplicated(keep="last")].reset_index(drop=True)
    answers = bundle.predict(ProductBatch.from_frame(frame))
    right = homes(frame[LABEL_COLUMN], bundle.labels)
    correct = np.array(
        [label == found for label, found in zip(right, answers.category, strict=True)], np.bool_
    )
    return Judged(frame, answers.category, Verdicts(answers.confidence, correct))


def homes(labels: Iterable[str], known: list[str]) -> list[str]:
    """What a model that knows these labels would rightly answer: a label too rare for it counts as its parent."""
    reframing = Reframing({}, tuple(known), 0, 0)
    return list(reframing.apply(pd.Series(list(labels), dtype=TEXT_DTYPE)))


def _report(
    report: DriftReport, state: str, sentence: str, since: datetime, until: datetime, version: str | None
) -> dict[str, Any]:
    return {
        "state": state,
        "sentence": sentence,
        "model_version": version,
        "since": since.isoformat(timespec="seconds"),
        "until": until.isoformat(timespec="seconds"),
        "answers": 0,
        "labels": 0,
        "examples": {},
        **report.to_dict(),
    }


def _sentence(report: DriftReport, version: str) -> str:
    if not any(cause.measured for cause in report.causes):
        return f"{report.rows:,} products answered by model version {version} are too few to tell"
    if not report.drifted:
        return f"{report.rows:,} products look like those that model version {version} was trained on"
    names = ", ".join(cause.name for cause in report.drifted)
    return f"drift of {names} in {report.rows:,} products answered by model version {version}"


def _examples(cause: Cause, window: DriftWindow) -> list[dict[str, Any]]:
    rows = dict.fromkeys(row for signal in cause.signals for row in signal.examples)
    return [
        {
            "title": window.title[row],
            "brand": window.brand[row],
            "seller_id": window.seller_id[row],
            "price": None if np.isnan(window.price[row]) else float(window.price[row]),
            "predicted_category": window.predicted_category[row],
            "confidence": round(float(window.confidence[row]), 4),
        }
        for row in rows
    ]


def _judged_examples(cause: Cause, judged: Judged) -> list[dict[str, Any]]:
    return [
        {
            "title": str(judged.products["title"].iloc[row]),
            "brand": str(judged.products["brand"].fillna("").iloc[row]),
            "category": str(judged.products[LABEL_COLUMN].iloc[row]),
            "predicted_category": judged.predicted[row],
            "confidence": round(float(judged.verdicts.confidence[row]), 4),
        }
        for signal in cause.signals
        for row in signal.examples
    ]
