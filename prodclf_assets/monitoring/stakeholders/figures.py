"""What management asks of the classifier, from the evaluation, the promotion log and the drift report; nothing is guessed."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prodclf_assets.lake import LogEntry

MOST_LISTED = 6
# A category with fewer test products says little about itself.
LEAST_ROWS = 5
RISKS: Final = (
    (
        "A product is filed wrongly without anybody looking",
        "Only answers above a threshold are filed; it was chosen on products that training had not seen",
    ),
    (
        "A new model is worse than the one in use",
        "Both are measured on the same products; a worse one is refused",
    ),
    (
        "The range of products changes",
        "A nightly comparison with what was trained on; the last result is in this report",
    ),
    ("The model or a server fails", "The last good model goes on answering, and every such answer says so"),
    (
        "A bad model got through",
        "One command returns to the model before; the log of changes is never rewritten",
    ),
)


@dataclass(frozen=True)
class Change:
    """One line of the promotion log: day (ISO), `promote` or `rollback`, version and reason."""

    day: str
    event: str
    version: int
    reason: str


@dataclass(frozen=True)
class Stakeholders:
    """Everything that deck and page show.

    Attributes:
        model_version: of the model that was measured.
        decision: what the gate said of it.
        champion: which version answers now.
        rows, labels: test products and categories.
        auto_share: share of products that are filed without a person.
        auto_precision: share of those that are right.
        auto_rows: test products behind that precision.
        accuracy, baseline_accuracy: of the likeliest category; of a simple linear model on the same products.
        coverage: pairs of precision and the share of products that keeps it.
        weakest: categories with the lowest recall: name, test products, recall.
        confusions: commonest mistakes: true category, answer, test products.
        minutes_per_product: the assumption behind the hours.
        changes: the latest changes of the model in use, newest first.
        drift: the last comparison of answered with trained products, in a sentence.
        drifted: whether it found a change.
    """

    model_version: str
    decision: str
    champion: str
    rows: int
    labels: int
    auto_share: float
    auto_precision: float
    auto_rows: int
    accuracy: float
    baseline_accuracy: float
    coverage: tuple[tuple[float, float], ...]
    weakest: tuple[tuple[str, int, float], ...]
    confusions: tuple[tuple[str, str, int], ...]
    minutes_per_product: float
    changes: tuple[Change, ...]
    drift: str
    drifted: bool

    @property
    def filed_per_1000(self) -> int:
        """Of 1,000 products, how many are filed without a person."""
        return round(1000 * self.auto_share)

    @property
    def wrong_per_1000(self) -> int:
        """Of 1,000 products, how many are filed wrongly without a person."""
        return round(1000 * self.auto_share * (1 - self.auto_precision))

    @property
    def hours_per_1000(self) -> float:
        """Hours of filing by hand that 1,000 products spare, by the assumption."""
        return self.filed_per_1000 * self.minutes_per_product / 60

    def to_dict(self) -> dict[str, Any]:
        """All of it, JSON-able."""
        whole = {name: value for name, value in vars(self).items() if name != "changes"}
        return {
            **whole,
            "changes": [vars(each) for each in self.changes],
            "filed_per_1000": self.filed_per_1000,
            "wrong_per_1000": self.wrong_per_1000,
            "hours_per_1000": self.hours_per_1000,
        }


def gather(
    evaluation: Mapping[str, Any],
    decision: Mapping[str, Any],
    drift: Mapping[str, Any],
    promotions: Iterable[LogEntry],
    minutes_per_product: float,
) -> Stakeholders:
    """Put together what is shown.

    Args:
        evaluation: the evaluation report.
        decision: the promotion decision about the same model.
        drift: the drift report.
        promotions: the promotion log, oldest first.
        minutes_per_product: how long a person takes to file one product.
    """
    named = [each for each in evaluation["per_category"] if each["rows"] >= LEAST_ROWS]
    weakest = sorted(named, key=lambda each: (each["recall"], -each["rows"], each["category"]))[:MOST_LISTED]
    changes = [entry for entry in promotions if entry.record["event"] != "refuse"]
    entries = changes[-MOST_LISTED:][::-1]
    return Stakeholders(
        model_version=evaluation["model_version"],
        decision=_set(f"{decision['decision']}: {decision['reason']}"),
        champion=decision["champion"],
        rows=evaluation["rows"],
        labels=evaluation["labels"],
        auto_share=evaluation["auto_share"],
        auto_precision=evaluation["auto_precision"],
        auto_rows=evaluation["decisions"]["auto"],
        accuracy=evaluation["accuracy"],
        baseline_accuracy=evaluation["baseline_accuracy"],
        coverage=tuple((each["precision"], each["coverage"]) for each in evaluation["coverage_at_precision"]),
        weakest=tuple(
            (each["category"], each["rows"], each["recall"]) for each in weakest if each["recall"] < 1
        ),
        confusions=tuple(
            (each["true"], each["predicted"], each["rows"]) for each in evaluation["confusions"][:MOST_LISTED]
        ),
        minutes_per_product=minutes_per_product,
        changes=tuple(
            Change(
                entry.written_at.date().isoformat(),
                entry.record["event"],
                entry.record["version"],
                _set(entry.record["reason"]),
            )
            for entry in entries
        ),
        drift=drift["sentence"],
        drifted=drift["drifted"],
    )


def _set(text: str) -> str:
    """A text with minus signs before numbers, where a line is not broken as it is after a hyphen."""
    return re.sub(r"(?<!\w)-(?=\d)", "\N{MINUS SIGN}", text)


def shares(facts: Stakeholders) -> tuple[tuple[str, int], ...]:
    """What becomes of 1,000 products: name and count of each part."""
    return (
        ("filed rightly without a person", facts.filed_per_1000 - facts.wrong_per_1000),
        ("filed wrongly", facts.wrong_per_1000),
        ("shown to a person", 1000 - facts.filed_per_1000),
    )


def headline(facts: Stakeholders) -> str:
    """The report in one sentence."""
    if not facts.auto_rows:
        return "No product is sure enough yet to be filed without a person"
    return f"{facts.auto_share:.0%} of products are filed without a person, and {facts.auto_precision:.1%} of those rightly"


def basis(facts: Stakeholders) -> str:
    """What the numbers rest on."""
    return (
        f"Measured on {facts.rows:,} products that training had not seen, in {facts.labels:,} categories; model "
        f"{facts.model_version}, {facts.decision}. In use: {facts.champion}."
    )


def work(facts: Stakeholders) -> str:
    """The work that is spared, with its assumption."""
    return (
        f"Of 1,000 new products {facts.filed_per_1000:,} need nobody: {facts.hours_per_1000:.1f} hours, if filing one by hand "
        f"takes {facts.minutes_per_product:g} minutes. About {facts.wrong_per_1000:,} of them go into a wrong category."
    )


def margin(facts: Stakeholders) -> str:
    """Why less is filed than the curve of precision and coverage would allow."""
    return (
        f"Filed today: {facts.auto_share:.0%}. The thresholds in use are set for each category, on other products and with a "
        "margin for chance, so less is filed than these, measured in hindsight, would allow."
    )
