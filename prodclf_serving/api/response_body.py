"""Answers as they are sent: one as JSON, a batch as JSON, NDJSON or CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from prodclf_assets.catalog.columns import PATH_SEPARATOR, PRODUCT_COLUMNS
from prodclf_assets.catalog.product import Record
from prodclf_assets.catalog.product_columns import CellFault
from prodclf_serving.api.request_body import MEDIA_TYPES, CsvBody, Format, ParsedBatch
from prodclf_serving.inference.loaded_model import LoadedModel
from prodclf_serving.inference.predictor import Answer, Call
from prodclf_serving.problems import ItemError

ANSWER_MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
}


@dataclass(frozen=True)
class AnsweredBatch:
    """A batch with its answers: one of the two for each item, in order.

    Attributes:
        parsed: the items as they were read.
        outcomes: the answer to each item, or why there is none.
        model: what answered all of them.
        request_id: id of the request.
    """

    parsed: ParsedBatch
    outcomes: list[Answer | ItemError]
    model: LoadedModel
    request_id: str

    @property
    def failed(self) -> int:
        """How many items have no answer."""
        return sum(isinstance(outcome, ItemError) for outcome in self.outcomes)


def answer_format(accept: str, given: Format) -> Format:
    """The format to answer in: the first one that `Accept` names, else that of the request."""
    for part in accept.split(","):
        media_type = part.partition(";")[0].strip().lower()
        if media_type in MEDIA_TYPES:
            return MEDIA_TYPES[media_type]
    return given


def prediction(model: LoadedModel, record: Record, answer: Answer, request_id: str) -> dict[str, Any]:
    """The answer to one product as it is sent; see `schemas.Prediction`."""
    degraded_reason = answer.call.degraded_reason if answer.call else model.degraded_reason
    sent: dict[str, Any] = {
        "category": answer.category,
        "path": answer.category.split(PATH_SEPARATOR) if answer.category else [],
        "confidence": answer.confidence,
        "decision": answer.decision,
        "branch": answer.branch,
        "probabilities": answer.probabilities,
        "model_version": model.version,
        "degraded": degraded_reason is not None,
        "request_id": request_id,
    }
    product_id = record.get("product_id")
    if isinstance(product_id, str | int) and not isinstance(product_id, bool):
        sent["product_id"] = product_id
    if degraded_reason is not None:
        sent["degraded_reason"] = degraded_reason
    if answer.issues:
        sent["issues"] = [{"field": issue.field, "detail": issue.message} for issue in answer.issues]
    return sent


def render(batch: AnsweredBatch, format_: Format) -> bytes:
    """The body of the answer to a batch."""
    if format_ == "csv":
        return _csv(batch)
    entries = [
        _entry(batch, item, outcome) for item, outcome in zip(batch.parsed.items, batch.outcomes, strict=True)
    ]
    if format_ == "ndjson":
        return b"".join(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE) for entry in entries)
    return orjson.dumps(
        {
            "predictions": entries,
            "rows": len(entries),
            "failed": batch.failed,
            "model_version": batch.model.version,
            "request_id": batch.request_id,
        }
    )


def _entry(batch: AnsweredBatch, item: Record | ItemError, outcome: Answer | ItemError) -> dict[str, Any]:
    if isinstance(outcome, Answer) and isinstance(item, dict):
        return prediction(batch.model, item, outcome, batch.request_id)
    entry: dict[str, Any] = {}
    product_id = item.get("product_id") if isinstance(item, dict) else None
    if isinstance(product_id, str | int) and not isinstance(product_id, bool):
        entry["product_id"] = product_id
    if isinstance(outcome, ItemError):
        entry["error"] = outcome.to_dict()
    return entry


def render_table(
    table: CsvBody, faults: Sequence[CellFault], calls: Sequence[Call], model: LoadedModel
) -> bytes:
    """The table that `prodclf score` would write, for a CSV body.

    Args:
        table: the body.
        faults: what of its products could not be used.
        calls: the answers, call after call.
        model: what answered.
    """
    # Here and not above: a replica that is never sent CSV does without Arrow.
    import pyarrow as pa

    from prodclf_assets.catalog.reading.formats.csv_text import csv_header, csv_rows
    from prodclf_assets.classifier.scoring.score_table import SCORE_COLUMNS, renamed_columns

    renamed = renamed_columns(table.names)
    header = csv_header([*(renamed.get(name, name) for name in table.names), *SCORE_COLUMNS])
    if not calls:
        return header
    parts = [pa.table(call.predictions.to_columns(model.bundle.labels)) for call in calls]
    answers = pa.concat_tables(parts).combine_chunks()
    added = {
        **dict(zip(answers.column_names, answers.columns, strict=True)),
        "model_version": pa.array([model.version] * len(table), pa.large_string()),
        "issues": pa.array(_issues(table, faults, calls), pa.large_string()),
    }
    columns = [*table.records.columns, *(added[name] for name in SCORE_COLUMNS)]
    rows = csv_rows(pa.table(columns, names=[str(at) for at in range(len(columns))]))
    return header + memoryview(rows)


def _issues(table: CsvBody, faults: Sequence[CellFault], calls: Sequence[Call]) -> list[str]:
    """What is wrong with each row, as sentences; of one without a title only what took it away."""
    said: dict[int, list[str]] = {row: [message] for row, message in table.broken.items()}
    untitled = set()
    for fault in faults:
        if fault.kind == "no title":
            untitled.add(fault.row)
            said[fault.row] = [table.broken.get(fault.row, fault.message)]
        else:
            said.setdefault(fault.row, []).append(fault.message)
    texts: list[str] = []
    for call in calls:
        texts += [call.degraded_reason or ""] * len(call.batch)
    for row, messages in said.items():
        degraded = [texts[row]] if texts[row] and row not in untitled else []
        texts[row] = "; ".join([*messages, *degraded])
    return texts


def _csv(batch: AnsweredBatch) -> bytes:
    """The table that `prodclf score` would write, for a body that is none."""
    from prodclf_assets.classifier.scoring.score_table import SCORE_COLUMNS, renamed_columns

    header, rows = _input_cells(batch)
    renamed = renamed_columns(header)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([renamed.get(name, name) for name in header] + list(SCORE_COLUMNS))
    for cells, outcome in zip(rows, batch.outcomes, strict=True):
        writer.writerow([*cells, *_answer_cells(outcome, batch.model.version)])
    return text.getvalue().encode()


def _answer_cells(outcome: Answer | ItemError, version: str) -> list[Any]:
    """The cells below `SCORE_COLUMNS`."""
    if isinstance(outcome, ItemError):
        return ["", "0.0", "abstain", "", "[]", version, outcome.detail]
    alternatives = orjson.dumps(outcome.probabilities).decode()
    degraded = outcome.call.degraded_reason if outcome.call else None
    issues = "; ".join([*(issue.message for issue in outcome.issues), *([degraded] if degraded else [])])
    return [
        outcome.category,
        repr(outcome.confidence),
        outcome.decision,
        outcome.branch,
        alternatives,
        version,
        issues,
    ]


def _input_cells(batch: AnsweredBatch) -> tuple[list[str], Sequence[Sequence[Any]]]:
    """The columns to repeat: the product's fields that the body used."""
    records = [item if isinstance(item, dict) else {} for item in batch.parsed.items]
    header = [name for name in PRODUCT_COLUMNS if any(name in record for record in records)]
    return header, [[_cell(record.get(name)) for name in header] for record in records]


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return value if isinstance(value, str | int | float) else orjson.dumps(value).decode()
