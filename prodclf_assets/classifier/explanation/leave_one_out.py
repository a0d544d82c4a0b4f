"""Why a product got its category: what happens to the answer when a word or a field is left out.

Each distinct word and each field is left out in turn, all variants go through the model's own `predict` in one vectorised
call, and the change of the log-odds is what the part contributed (the weight of evidence of Robnik-Šikonja & Kononenko
2008). Nothing is assumed about the model, so nothing has to follow when it changes. Parts that say the same twice
cover for each other: a word counts wherever it stands, in title, brand, description and hint alike.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.columns import NUMERIC_COLUMNS
from prodclf_assets.catalog.product import BATCH_TEXT_COLUMNS, ProductBatch
from prodclf_assets.classifier.calibration.thresholds import Decision
from prodclf_assets.classifier.predictions import Predictions
from prodclf_assets.classifier.squash import logit

MOST_WORDS: Final = 48
"""Distinct words of one product that are tried, in the order in which they are read."""

_FIELDS: Final = tuple(name for name in (*BATCH_TEXT_COLUMNS, *NUMERIC_COLUMNS) if name != "title")
_EDGE = 1e-4
_CALL_ROWS = 2048


class Predictor(Protocol):
    """What is asked of a model; `Bundle` is one."""

    @property
    def labels(self) -> list[str]:
        """Every category it can answer."""

    def predict(self, products: ProductBatch, top_k: int = 5) -> Predictions:
        """Answer products."""


@dataclass(frozen=True)
class Influence:
    """What one word or field did.

    Attributes:
        kind: whether it is a word or a field.
        field: the product's field; "title" for a word that stands there, else the field it was first read in.
        text: the word, or the field's value.
        effect: fall of the answer's log-odds without it; positive when it speaks for the answer.
        runner_up_effect: the same of the runner-up; 0.0 when there is none.
        confidence_without: probability of the answer without it.
        category_without: what the answer would be without it; "" when nothing could be said.
    """

    kind: Literal["word", "field"]
    field: str
    text: str
    effect: float
    runner_up_effect: float
    confidence_without: float
    category_without: str

    @property
    def towards_runner_up(self) -> float:
        """By how much it moves the odds from the answer to the runner-up."""
        return self.runner_up_effect - self.effect


@dataclass(frozen=True)
class Explanation:
    """Why one product got its category.

    Attributes:
        category: the answer; "" where nothing can be said.
        confidence: its calibrated probability.
        familiarity: share (0..1) of the title's wording that training has seen.
        decision: what is done with it.
        runner_up: the next likeliest category; "" when there is none.
        runner_up_probability: its calibrated probability.
        influences: every word and field that was tried, the strongest for the answer first.
    """

    category: str
    confidence: float
    familiarity: float
    decision: Decision
    runner_up: str
    runner_up_probability: float
    influences: list[Influence]


@dataclass(frozen=True)
class _Part:
    """Something that can be left out: a word (by its key) or a whole field."""

    kind: Literal["word", "field"]
    field: str
    text: str
    key: str = ""

    def leave_out(self, products: ProductBatch, row: int) -> None:
        """Change one row of a batch that nobody else holds."""
        if self.kind == "word":
            for name in BATCH_TEXT_COLUMNS:
                texts = getattr(products, name)
                if self.key in texts[row].casefold():
                    kept = (chunk for chunk in texts[row].split() if _word(chunk).casefold() != self.key)
                    texts[row] = " ".join(kept)
        elif self.field in NUMERIC_COLUMNS:
            getattr(products, self.field)[row] = np.nan
        else:
            getattr(products, self.field)[row] = ""


def explain(
    model: Predictor, products: ProductBatch, *, most_words: int = MOST_WORDS
) -> Iterator[Explanation]:
    """Explain the answer to each product, in order.

    The cost of one product is that of predicting as many as it has distinct words and filled fields.

    Args:
        model: what answered.
        products: n products.
        most_words: distinct words of one product that are tried.
    """
    waiting: list[int] = []
    parts: list[list[_Part]] = []
    for row in range(len(products)):
        waiting.append(row)
        parts.append(list(_parts(products, row, most_words)))
        if sum(map(len, parts)) >= _CALL_ROWS or row == len(products) - 1:
            yield from _explained(model, products.take(waiting), parts)
            waiting, parts = [], []


def _parts(products: ProductBatch, row: int, most_words: int) -> Iterator[_Part]:
    """Everything of a product that can be left out."""
    if not products.title[row]:
        return
    seen: set[str] = set()
    for name in BATCH_TEXT_COLUMNS:
        if name == "seller_id":
            continue  # a name, not words
        for chunk in getattr(products, name)[row].split():
            word = _word(chunk)
            key = word.casefold()
            if key and key not in seen and len(seen) < most_words:
                seen.add(key)
                yield _Part("word", name, word, key)
    for name in _FIELDS:
        value = getattr(products, name)[row]
        if name in NUMERIC_COLUMNS:
            if not np.isnan(value):
                yield _Part("field", name, f"{value:.15g}")
        elif value:
            yield _Part("field", name, value)


def _explained(model: Predictor, products: ProductBatch, parts: list[list[_Part]]) -> Iterator[Explanation]:
    variants = products.take(np.repeat(np.arange(len(products)), [1 + len(own) for own in parts]))
    first = 0
    for own in parts:
        for offset, part in enumerate(own, 1):
            part.leave_out(variants, first + offset)
        first += 1 + len(own)
    answers = model.predict(variants, len(model.labels))
    first = 0
    for own in parts:
        yield _explanation(model.labels, answers, first, own)
        first += 1 + len(own)


def _explanation(labels: list[str], answers: Predictions, first: int, parts: list[_Part]) -> Explanation:
    """The explanation of the product whose answer stands at `first`, with those to its variants behind it."""
    rows = slice(first, first + 1 + len(parts))
    codes, shares = answers.top_labels[rows], answers.top_probabilities[rows]
    answer, runner_up = (int(codes[0, place]) if codes.shape[1] > place else -1 for place in (0, 1))
    own, other = _probability(codes, shares, answer), _probability(codes, shares, runner_up)
    effects, other_effects = _fall(own), _fall(other)
    influences = [
        Influence(
            part.kind,
            part.field,
            part.text,
            float(effects[place]),
            float(other_effects[place]) if runner_up >= 0 else 0.0,
            float(own[place]),
            answers.category[first + place],
        )
        for place, part in enumerate(parts, 1)
    ]
    return Explanation(
        answers.category[first],
        float(answers.confidence[first]),
        float(answers.familiarity[first]),
        answers.decision[first],
        labels[runner_up] if runner_up >= 0 else "",
        float(other[0]) if runner_up >= 0 else 0.0,
        sorted(influences, key=lambda influence: -influence.effect),
    )


def _probability(
    codes: npt.NDArray[np.int32], shares: npt.NDArray[np.float64], label: int
) -> npt.NDArray[np.float64]:
    """float64[n]: of one label in each row, 0 where it is no candidate."""
    found: npt.NDArray[np.float64] = np.where(codes == label, shares, 0.0).sum(axis=1)
    return found


def _fall(probability: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """float64[n]: log-odds of the first row less those of each row."""
    odds = logit(np.clip(probability, _EDGE, 1 - _EDGE))
    fall: npt.NDArray[np.float64] = odds[0] - odds
    return fall


def _word(chunk: str) -> str:
    """A chunk between spaces without the punctuation at its ends; "" for nothing but punctuation."""
    start, end = 0, len(chunk)
    while start < end and unicodedata.category(chunk[start])[0] in "PSZC":
        start += 1
    while end > start and unicodedata.category(chunk[end - 1])[0] in "PSZC":
        end -= 1
    return chunk[start:end]
