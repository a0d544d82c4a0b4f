"""From products to answers: the one way HTTP requests reach the bundle's one `predict`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from prodclf_assets.catalog.product import FieldIssue, ProductBatch, Record
from prodclf_assets.classifier.calibration.thresholds import Decision
from prodclf_assets.classifier.predictions import Predictions
from prodclf_serving.inference.loaded_model import LoadedModel


class Probability(TypedDict):
    """One category and its calibrated probability."""

    category: str
    probability: float


@dataclass(frozen=True, eq=False)
class Call:
    """One vectorised prediction, in columns: what went in and what came out.

    Attributes:
        batch: the products.
        predictions: the answers.
        degraded_reason: why they come from less than the current model; None when they do not.
    """

    batch: ProductBatch
    predictions: Predictions
    degraded_reason: str | None = None


@dataclass(frozen=True)
class Answer:
    """What the model says about one product, or why it says nothing.

    Attributes:
        category: the likeliest leaf's path, joined with ` > `; "" where nothing can be said.
        confidence: calibrated probability of `category`.
        decision: whether to file it, have a person look, or neither.
        branch: the deepest part of the path that is sure enough to be filed without a person; "" for none.
        probabilities: the likeliest leaves, best first.
        issues: fields that could not be used and counted as missing.
        error: set when the product cannot be classified; the other parts are then empty.
        call: the call that the answer is from, for what is recorded of it.
        row: the product's place in that call.
    """

    category: str
    confidence: float
    decision: Decision
    branch: str
    probabilities: list[Probability]
    issues: list[FieldIssue]
    error: FieldIssue | None = None
    call: Call | None = field(default=None, compare=False, repr=False)
    row: int = field(default=0, compare=False)


def answer_batch(
    model: LoadedModel, batch: ProductBatch, top_k: int, without_ranker: str | None = None
) -> Call:
    """Classify products in one vectorised call; arguments as for `answer_records`."""
    predict = model.bundle.predict if without_ranker is None else model.bundle.predict_without_ranker
    return Call(batch, predict(batch, top_k), without_ranker or model.degraded_reason)


def answer_records(
    model: LoadedModel, records: Sequence[Record], top_k: int, without_ranker: str | None = None
) -> list[Answer]:
    """Classify products in one vectorised call.

    Args:
        model: what answers.
        records: products by field name, as they came; unusable values count as missing and are reported.
        top_k: how many categories to list for each.
        without_ranker: why the retriever has to answer alone; None when it has not.

    Returns:
        One answer for each record, in order.
    """
    batch, issues = ProductBatch.from_records(records)
    by_row: dict[int, list[FieldIssue]] = {}
    for issue in issues:
        by_row.setdefault(issue.row, []).append(issue)
    call = answer_batch(model, batch, top_k, without_ranker)
    predictions = call.predictions
    labels = model.bundle.labels
    confidences = predictions.confidence.tolist()
    top_labels = predictions.top_labels.tolist()
    top_probabilities = predictions.top_probabilities.tolist()
    answers: list[Answer] = []
    for row, title in enumerate(batch.title):
        found = by_row.get(row, [])
        if not title:
            missing = next(issue for issue in found if issue.field == "title")
            answers.append(Answer("", 0.0, "abstain", "", [], found, missing))
            continue
        probabilities: list[Probability] = [
            {"category": labels[label], "probability": probability}
            for label, probability in zip(top_labels[row], top_probabilities[row], strict=True)
            if label >= 0
        ]
        answers.append(
            Answer(
                predictions.category[row],
                confidences[row],
                predictions.decision[row],
                predictions.branch[row],
                probabilities,
                found,
                None,
                call,
                row,
            )
        )
    return answers
