"""What a search has found so far, and whether it is worth having."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from prodclf_assets.classifier.ranking.ranker import RankerConfig
from prodclf_assets.search.trials import MOST_ROUNDS, Measured, Parameters, Trial

BEYOND_CHANCE: Final = 3.0
"""Standard errors by which the best trial must do better: it is the best of many, of which one or the other always gains."""
SAME_SHOP: Final = 0.5
"""Share of the categories that two catalogues must have in common for parameters to pass from one to the other."""


@dataclass(frozen=True)
class Progress:
    """A search under way.

    Attributes:
        default: how well the default parameters did.
        trials: that are done, in the order of their ends.
        seconds: that were spent.
    """

    default: Measured
    trials: tuple[Trial, ...] = ()
    seconds: float = 0.0

    def save(self, folder: Path) -> None:
        """Write as an array and JSON."""
        np.save(folder / "losses.npy", self.default.losses, allow_pickle=False)
        default = {name: value for name, value in vars(self.default).items() if name != "losses"}
        content = {
            "default": default,
            "trials": [asdict(trial) for trial in self.trials],
            "seconds": self.seconds,
        }
        (folder / "trials.json").write_text(json.dumps(content, indent=1), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Progress":
        """Read what `save` wrote."""
        content = json.loads((folder / "trials.json").read_text("utf-8"))
        losses = np.load(folder / "losses.npy", allow_pickle=False)
        trials = tuple(Trial(**trial) for trial in content["trials"])
        return cls(Measured(losses=losses, **content["default"]), trials, content["seconds"])

    @property
    def best(self) -> Trial | None:
        """The trial with the largest gain of those that were measured on all folds."""
        return max(
            (trial for trial in self.trials if trial.is_whole), key=lambda trial: trial.gain, default=None
        )


@dataclass(frozen=True)
class Choice:
    """The parameters that training uses, and why.

    Attributes:
        parameters: that differ from the default; empty when nothing does.
        reason: a sentence.
    """

    parameters: Mapping[str, float]
    reason: str


def choose(progress: Progress) -> Choice:
    """Take the best trial if it is better than the default beyond chance."""
    best, default = progress.best, progress.default
    if best is None:
        return Choice({}, f"default parameters: none of {len(progress.trials)} trials was finished")
    found = (
        f"the best of {len(progress.trials)} trials, number {best.number}, has log loss {best.log_loss:.4f} instead of "
        f"{default.log_loss:.4f} and accuracy {best.accuracy:.2%} instead of {default.accuracy:.2%}, "
        "cross-validated on training products"
    )
    if best.gain <= BEYOND_CHANCE * best.gain_error:
        return Choice({}, f"default parameters: {found}, which chance alone may give")
    return Choice({**best.parameters, "rounds": MOST_ROUNDS}, f"parameters of a search: {found}")


def still_fits(record: Mapping[str, Any], categories: Collection[str]) -> str | None:
    """Say why parameters that were found earlier are not used for this catalogue; None when they are.

    Args:
        record: what `tuned_parameters` wrote.
        categories: of the catalogue.
    """
    strange = sorted(set(record["parameters"]) - {field.name for field in fields(RankerConfig)})
    if strange:
        return f"this version has no parameter {', '.join(strange)}"
    before, now = set(record["categories"]), set(categories)
    shared = len(before & now) / max(1, len(before | now))
    if shared < SAME_SHOP:
        return f"they were found on another catalogue, which shares {shared:.0%} of the categories"
    return None


def gains_so_far(trials: Sequence[Trial]) -> list[float]:
    """The best gain after each trial; 0 is the default."""
    best, found = 0.0, []
    for trial in trials:
        best = max(best, trial.gain) if trial.is_whole else best
        found.append(best)
    return found


def parameters_shown(parameters: Parameters) -> str:
    """Parameters in one short line."""
    return ", ".join(f"{name} {value:.3g}" for name, value in parameters.items())
