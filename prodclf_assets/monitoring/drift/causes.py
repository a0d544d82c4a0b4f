"""What a comparison with the training found, cause by cause."""

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from prodclf_assets.monitoring.drift.signals import Signal

Advice = Literal["none", "ignore", "label", "retrain"]

CAUSES: Final[dict[str, str]] = {
    "input": "which fields are filled, ratings, list prices, review counts and the length of titles",
    "vocabulary": "how much of the titles' wording was seen in training",
    "brand": "new brands, and how products are spread over brands",
    "seller": "new sellers, and how products are spread over sellers",
    "price": "prices",
    "output": "how answers are spread over categories",
    "confidence": "how sure the answers are",
    "accuracy": "how often people agree with the answers",
}


@dataclass(frozen=True)
class Cause:
    """One cause of drift.

    Attributes:
        name: one of `CAUSES`.
        signals: its comparisons; none where the model's profile knows nothing to compare with.
        advice: what to do about it; `none` where nothing drifted.
    """

    name: str
    signals: tuple[Signal, ...]
    advice: Advice = "none"

    @property
    def drifted(self) -> bool:
        """Whether any of its signals has."""
        return any(signal.drifted for signal in self.signals)

    @property
    def leading(self) -> Signal | None:
        """The signal to show: one that drifted before any other, then the one nearest to its threshold."""
        return max(
            self.signals,
            key=lambda signal: (signal.drifted, signal.effect / signal.threshold, -signal.p_value),
            default=None,
        )

    @property
    def measured(self) -> bool:
        """Whether any of its signals had enough products."""
        return any(signal.rows >= signal.minimum_rows for signal in self.signals)

    @property
    def sentence(self) -> str:
        """What is so, with numbers."""
        if self.leading is None and self.name == "accuracy":
            return "no labels came back since the training"
        if self.leading is None:
            return "the model knows nothing to compare with; train it again"
        drifted = [signal.sentence for signal in self.signals if signal.drifted]
        return "; ".join(drifted) if drifted else self.leading.sentence

    def to_dict(self) -> dict[str, Any]:
        """The cause with its leading signal's numbers and all signals, JSON-able."""
        lead = asdict(self.leading) if self.leading else {}
        return {
            **{name: lead.get(name) for name in ("measure", "effect", "threshold", "p_value", "level")},
            **{name: lead.get(name, 0) for name in ("rows", "minimum_rows")},
            "name": self.name,
            "measured": self.measured,
            "drifted": self.drifted,
            "sentence": self.sentence,
            "advice": self.advice,
            "signals": [{**asdict(signal), "drifted": signal.drifted} for signal in self.signals],
        }


@dataclass(frozen=True)
class DriftReport:
    """All causes, in the order of `CAUSES`, and how many products were looked at."""

    rows: int
    causes: tuple[Cause, ...]

    @property
    def drifted(self) -> tuple[Cause, ...]:
        """The causes that have."""
        return tuple(cause for cause in self.causes if cause.drifted)

    @property
    def advice(self) -> Advice:
        """The most that any cause asks for."""
        ranking: tuple[Advice, ...] = ("none", "ignore", "label", "retrain")
        return max((cause.advice for cause in self.causes), key=ranking.index, default="none")

    def to_dict(self) -> dict[str, Any]:
        """The report, JSON-able: `causes` names those that have drifted, `measures` holds every one."""
        return {
            "rows": self.rows,
            "advice": self.advice,
            "drifted": bool(self.drifted),
            "causes": [cause.name for cause in self.drifted],
            "measures": [cause.to_dict() for cause in self.causes],
        }
