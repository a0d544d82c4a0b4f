"""The re-ranker: LightGBM over (product, candidate) pairs, whose cost does not depend on the number of labels.

Two boosters see the same pairs: one judges each pair by itself (logistic loss), one the order within a product
(LambdaRank, Burges 2010). The mean of their softmaxes over a product's candidates is better than either.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.encoder import Pairs
from prodclf_assets.classifier.pair_features import FEATURES
from prodclf_assets.errors import LabelError

POINTWISE, LISTWISE = "pointwise", "listwise"


@dataclass(frozen=True)
class RankerConfig:
    """How the boosters are trained.

    Attributes:
        rounds: trees of each booster.
        leaves: most leaves of a tree.
        learning_rate: what each tree's answer is multiplied by.
        min_leaf: fewest pairs in a leaf.
        max_products: products whose pairs are learnt from at the most; more add time, not accuracy.
        seed: of row and column sampling.
    """

    rounds: int = 120
    leaves: int = 31
    learning_rate: float = 0.1
    min_leaf: int = 40
    max_products: int = 200_000
    seed: int = 7


@dataclass(frozen=True)
class Ranker:
    """The two boosters."""

    pointwise: lgb.Booster
    listwise: lgb.Booster

    @classmethod
    def fit(cls, pairs: Pairs, labels: npt.NDArray[np.int32], config: RankerConfig, threads: int) -> "Ranker":
        """Train on the pairs of products whose label is `labels[n]`.

        Raises:
            LabelError: no product has its label among its candidates, so there is nothing to learn an order from.
        """
        n, k = pairs.candidates.shape
        features = pairs.features.reshape(n, k, -1)
        chosen = np.arange(n)
        if n > config.max_products:
            chosen = np.sort(np.random.default_rng(config.seed).choice(n, config.max_products, replace=False))
        target = (pairs.candidates[chosen] == labels[chosen, None]).astype(np.float32)
        has_order = target.any(axis=1)  # a product without its label among the candidates has no right order
        if not has_order.any():
            raise LabelError(
                f"none of the {len(chosen)} training rows could be told from other categories; "
                "add products to each category or lower the depth of the label path"
            )
        return cls(
            _train("binary", features[chosen], target, config, threads),
            _train("lambdarank", features[chosen[has_order]], target[has_order], config, threads),
        )

    def probabilities(self, pairs: Pairs, threads: int) -> npt.NDArray[np.float64]:
        """float64[n, k]: how likely each candidate is among the candidates; each row sums to 1."""
        shape = pairs.candidates.shape
        mean = np.zeros(shape)
        if not shape[0]:
            return mean
        for booster in (self.pointwise, self.listwise):
            raw = booster.predict(pairs.features, raw_score=True, num_threads=threads)
            mean += _softmax(np.asarray(raw, np.float64).reshape(shape)) / 2
        return mean

    def importance(self) -> dict[str, float]:
        """Share of the total gain of each feature, over both boosters, the largest first."""
        gain = self.pointwise.feature_importance("gain") / max(
            1e-9, self.pointwise.feature_importance("gain").sum()
        )
        gain = gain + self.listwise.feature_importance("gain") / max(
            1e-9, self.listwise.feature_importance("gain").sum()
        )
        order = np.argsort(-gain, kind="stable")
        return {FEATURES[i]: float(gain[i] / 2) for i in order}

    def save(self, folder: Path) -> None:
        """Write both boosters as LightGBM text, the same text whatever the number of threads they were trained on."""
        for name in (POINTWISE, LISTWISE):
            text = re.sub(r"\[num_threads: \d+\]", "[num_threads: 0]", getattr(self, name).model_to_string())
            (folder / f"ranker_{name}.txt").write_text(text, "utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Ranker":
        """Read what `save` wrote.

        Raises:
            ValueError: LightGBM cannot read a booster's text.
        """
        texts = [(folder / f"ranker_{name}.txt").read_text("utf-8") for name in (POINTWISE, LISTWISE)]
        try:
            return cls(*(lgb.Booster(model_str=text) for text in texts))
        except lgb.basic.LightGBMError as error:
            raise ValueError(f"a booster is unreadable: {error}") from error


def _train(
    objective: str,
    features: npt.NDArray[np.float32],
    target: npt.NDArray[np.float32],
    config: RankerConfig,
    threads: int,
) -> lgb.Booster:
    n, k, width = features.shape
    parameters: dict[str, Any] = {
        "objective": objective,
        "num_leaves": config.leaves,
        "learning_rate": config.learning_rate,
        "min_data_in_leaf": config.min_leaf,
        "feature_fraction": 0.6,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "seed": config.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "verbose": -1,
    }
    if objective == "lambdarank":
        parameters["lambdarank_truncation_level"] = 5
    data = lgb.Dataset(
        features.reshape(n * k, width),
        target.ravel(),
        group=np.full(n, k) if objective == "lambdarank" else None,
        feature_name=list(FEATURES),
    )
    return lgb.train(parameters, data, config.rounds)


def _softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    exponential = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: npt.NDArray[np.float64] = exponential / exponential.sum(axis=1, keepdims=True)
    return result
