"""The tables of `classifier`, and which cells meet what is promised, as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from prodclf_assets.classifier.calibration.calibrator import calibration_noise, reliability
from prodclf_tests.benchmarks.classifier.contenders import OURS, TITLES, ContenderResult
from prodclf_tests.benchmarks.measures import Judged, Paired, Quality, paired, quality

Verdict = Literal["aim", "must", "miss"]
Cell = tuple[str, Verdict]
_MARK: Final[dict[Verdict, str]] = {"aim": "**aim**", "must": "must", "miss": "*missed*"}


@dataclass(frozen=True)
class Compared:
    """All models on one task.

    Attributes:
        task: its name.
        labels: categories of the training rows.
        rows: training, validation and measured rows.
        judged, quality: by model.
        best: the peer with the fewest errors.
        against: ours beside it.
    """

    task: str
    labels: int
    rows: tuple[int, int, int]
    judged: dict[str, Judged]
    quality: dict[str, Quality]
    best: str
    against: Paired

    @classmethod
    def of(cls, task: str, labels: int, rows: tuple[int, int, int], judged: dict[str, Judged]) -> "Compared":
        """Measure ours, which must be there, and its peers."""
        measured = {model: quality(one) for model, one in judged.items()}
        best = max((model for model in measured if model != OURS), key=lambda peer: measured[peer].accuracy)
        return cls(task, labels, rows, judged, measured, best, paired(judged[OURS], judged[best]))

    @property
    def peers(self) -> list[Quality]:
        """Every model but ours."""
        return [one for model, one in self.quality.items() if model != OURS]


@dataclass(frozen=True)
class Cost:
    """What one model took on one task with so many threads, and the search for its parameters (s) before."""

    task: str
    labels: int
    model: str
    threads: int
    outcome: ContenderResult
    search_seconds: float


def quality_table(compared: Compared) -> str:
    """One task: a row per model, and ours beside the best peer."""
    best = compared.quality[compared.best]
    train, validation, measured = compared.rows
    lines = [
        f"### `{compared.task}`: {compared.labels} labels, {train:,} / {validation:,} / {measured:,} rows\n",
        "| model | accuracy | error, best peer = 1 | macro-F1 | at 95%: share, precision | largest share | calibration error |",
        "|---|---|---|---|---|---|---|",
    ]
    for model, one in compared.quality.items():
        ratio = (1 - one.accuracy) / (1 - best.accuracy)
        lines.append(
            f"| {_title(model)} | {one.accuracy:.4f} | {ratio:.2f} | {one.macro_f1:.4f} "
            f"| {one.share:.1%}, {one.precision:.1%} | {one.best_share:.1%} | {one.calibration:.4f} |"
        )
    ours, pair = compared.quality[OURS], compared.against
    low, high = pair.error_interval
    lines.append(
        f"\nAgainst {TITLES[compared.best]}: error ratio {pair.error_ratio:.2f} ({low:.2f} to {high:.2f}), only ours right "
        f"{pair.only_ours}, only theirs {pair.only_theirs}, McNemar p = {pair.p:.2g}; macro-F1 {pair.f1_gain:+.4f} "
        f"({pair.f1_interval[0]:+.4f} to {pair.f1_interval[1]:+.4f})."
    )
    if ours.auto_share is not None and ours.auto_precision is not None:
        worst = "none" if ours.worst_category is None else f"{ours.worst_category:.1%}"
        lines.append(
            f"`auto` by our own rule: {ours.auto_share:.1%} of the products, {ours.auto_precision:.1%} right; "
            f"lowest of the {ours.large_categories} categories with 50 such products: {worst}."
        )
    return "\n".join(lines)


def quality_verdicts(tasks: Sequence[Compared]) -> str:
    """What is promised, and which task keeps it."""
    rows = {
        "error, best peer = 1 | ≤ 0.92 | ≤ 0.80": [_error(task) for task in tasks],
        "macro-F1 less the best peer's | above 0 | + 2 points": [_macro_f1(task) for task in tasks],
        "share `auto` (own rule) less the best peer's share at 95% | above 0 | + 10 points where the peer is below 80%": [
            _share(task, "auto_share", "share") for task in tasks
        ],
        "share at 95%, all by one threshold from validation rows | above 0 | as above": [
            _share(task, "share", "share") for task in tasks
        ],
        "largest share at 95% on the measured rows | above 0 | as above": [
            _share(task, "best_share", "best_share") for task in tasks
        ],
        "precision of `auto` | ≥ 94% | ≥ 95% in every category with 50 such products": [
            _precision(task) for task in tasks
        ],
        "calibration error (95% of perfectly calibrated models stay below) | ≤ 0.03 | ≤ 0.015": [
            _calibration(task) for task in tasks
        ],
    }
    head = " | ".join(f"`{task.task}`" for task in tasks)
    lines = [f"| measure | must reach | aim | {head} |", "|---" * (3 + len(tasks)) + "|"]
    lines += [
        f"| {name} | " + " | ".join(f"{text} {_MARK[verdict]}" for text, verdict in cells) + " |"
        for name, cells in rows.items()
    ]
    return "\n".join(lines)


def cost_table(costs: Sequence[Cost]) -> str:
    """A row per task, model and number of threads."""
    lines = [
        "| task | labels | model | cores | one fit, s | CPU, s | search before it, s | peak MiB | rows/s | one product, ms |",
        "|---" * 10 + "|",
    ]
    for cost in costs:
        done = cost.outcome
        lines.append(
            f"| `{cost.task}` | {cost.labels} | {_title(cost.model)} | {cost.threads} | {done.fit_seconds:.1f} "
            f"| {done.fit_cpu_seconds:.1f} | {cost.search_seconds:.0f} | {done.peak_mb:,.0f} "
            f"| {done.rows_per_second or 0:,.0f} | {done.single_ms or 0:.2f} |"
        )
    return "\n".join(lines)


def cost_verdicts(costs: Sequence[Cost]) -> str:
    """What is promised of cost, for each task that was timed."""
    lines = ["| task | measure | must reach | aim | measured |", "|---|---|---|---|---|"]
    for task in dict.fromkeys(cost.task for cost in costs):
        mine = [cost for cost in costs if cost.task == task]
        ours = max((cost for cost in mine if cost.model == OURS), key=lambda cost: cost.threads)
        alone = min((cost for cost in mine if cost.model == OURS), key=lambda cost: cost.threads)
        peer = next((cost.outcome for cost in mine if cost.model == "svm"), None)
        if peer is not None:
            lines += _against_svm(task, ours, alone, peer)
        single = alone.outcome.single_ms or 0.0
        verdict = _MARK["aim" if single < 1 else "miss"]
        lines.append(f"| `{task}` | one product in process, p50 | under 1 ms | | {single:.2f} ms {verdict} |")
    return "\n".join(lines)


def _against_svm(task: str, ours: Cost, alone: Cost, peer: ContenderResult) -> list[str]:
    many = ours.labels >= 400
    faster = peer.fit_seconds / ours.outcome.fit_seconds
    needed = 2.0 if many else 1.0
    lines = [
        f"| `{task}` | one fit, times faster than the linear SVM's | {needed:.0f} × | "
        f"| {faster:.1f} × {_MARK['aim' if faster >= needed else 'miss']} |"
    ]
    for cost, name in ((alone, "one core"), (ours, f"{ours.threads} cores")):
        rate, theirs = cost.outcome.rows_per_second or 0.0, peer.rows_per_second or 0.0
        verdict: Verdict = "miss" if rate < 2 * theirs else "aim" if rate >= 20_000 else "must"
        lines.append(
            f"| `{task}` | rows/s on {name} | 2 × the linear SVM's {theirs:,.0f} | 20,000 | {rate:,.0f} {_MARK[verdict]} |"
        )
    return lines


def _error(task: Compared) -> Cell:
    ratio = task.against.error_ratio
    return f"{ratio:.2f}", "aim" if ratio <= 0.80 else "must" if ratio <= 0.92 else "miss"


def _macro_f1(task: Compared) -> Cell:
    gain = task.quality[OURS].macro_f1 - max(peer.macro_f1 for peer in task.peers)
    return f"{gain * 100:+.1f}", "aim" if gain >= 0.02 else "must" if gain > 0 else "miss"


def _share(task: Compared, mine: str, theirs: str) -> Cell:
    peer = max(getattr(one, theirs) for one in task.peers)
    gain = (getattr(task.quality[OURS], mine) or 0.0) - peer
    aim = gain > 0 and (gain >= 0.10 or peer >= 0.80)
    return f"{gain * 100:+.1f}", "aim" if aim else "must" if gain > 0 else "miss"


def _precision(task: Compared) -> Cell:
    ours = task.quality[OURS]
    value, worst = ours.auto_precision or 0.0, ours.worst_category
    every = value >= 0.95 and (worst is None or worst >= 0.95)
    text = f"{value:.1%}" if worst is None else f"{value:.1%}, lowest {worst:.1%}"
    return text, "aim" if every else "must" if value >= 0.94 else "miss"


def _calibration(task: Compared) -> Cell:
    value, judged = task.quality[OURS].calibration, task.judged[OURS]
    noise = _noise(judged)
    return f"{value:.3f} ({noise:.3f})", "aim" if value <= 0.015 else "must" if value <= 0.03 else "miss"


def _noise(judged: Judged) -> float:
    bins = reliability(judged.confidence, judged.correct)
    return calibration_noise(
        np.array([part["confidence"] for part in bins]), np.array([part["rows"] for part in bins]).astype(int)
    )


def _title(model: str) -> str:
    return f"**{TITLES[model]}**" if model == OURS else TITLES[model]
