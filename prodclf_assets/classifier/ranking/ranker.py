# mypy: allow-untyped-defs
"""The re-ranker: LightGBM over (product, candidate) pairs, whose cost does not depend on the number of labels.

One booster is trained on the softmax over a product's candidates (the conditional logit of McFadden 1974; in ranking,
ListNet with the top-one probability, Cao et al. 2007): what is maximised is the probability of the right candidate, the
very number that is answered. Measured, it is as accurate as a pointwise and a LambdaRank booster together.
"""

import json
import logging
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.checkpoints import NO_CHECKPOINTS, Checkpoints
from prodclf_assets.classifier.kernels import kernel
from prodclf_assets.classifier.ranking.boosting import grow, joined
from prodclf_assets.classifier.ranking.encoder import Pairs
from prodclf_assets.classifier.ranking.labelled_pairs import LabelledPairs
from prodclf_assets.classifier.ranking.pair_features import FEATURES
from prodclf_assets.classifier.ranking.rebalancing import Rebalancing, rebalance
from prodclf_assets.classifier.ranking.tree_ensemble import Forest
from prodclf_assets.errors import LabelError

logger = logging.getLogger(__name__)

BOOSTER = "ranker.txt"
CURVE = "learning_curve.json"
FEWEST_HELD = 50
"""Held-out products below which nobody can tell which of two boosters is better."""


@dataclass(frozen=True)
class RankerConfig:
    """How the booster is trained.

    Attributes:
        rounds: trees.
        leaves: most leaves of a tree.
        learning_rate: what each tree's answer is multiplied by.
        min_leaf: fewest pairs in a leaf.
        column_share: of the columns, drawn anew for each tree.
        row_share: of the pairs, drawn anew for each tree.
        l2: pull of the leaves towards nothing.
        max_products: products whose pairs are learnt from at the most; more add time, not accuracy: on real catalogues
            half of 6,400 products gives 0.05 points less of it, on average, and a quarter 0.3.
        rebalancing: how rare labels get more say.
        block: rounds after which the booster is measured, and kept as a checkpoint.
        patience: blocks without a gain after which training ends.
        seed: of all drawing.
    """

    rounds: int = 200
    leaves: int = 8
    learning_rate: float = 0.08
    min_leaf: int = 60
    column_share: float = 0.6
    row_share: float = 0.8
    l2: float = 1.0
    max_products: int = 40_000
    rebalancing: Rebalancing = "none"
    block: int = 40
    patience: int = 2
    seed: int = 7


@dataclass(frozen=True)
class Ranker:
    """The booster.

    Attributes:
        forest: its trees.
        curve: with how many trees products that were not learnt from are answered with which log loss.
    """

    forest: Forest
    curve: dict[int, float] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        learnt: LabelledPairs,
        config: RankerConfig,
        threads: int,
        checkpoints: Checkpoints = NO_CHECKPOINTS,
        held: LabelledPairs | None = None,
    ) -> "Ranker":
        """Train on the pairs of products; one none of whose labels is a candidate teaches nothing.

        Args:
            learnt: the products' candidates and features, and their labels.
            config: how to train.
            threads: how many may run at once; the result does not depend on it.
            checkpoints: where the booster is kept after every block of rounds.
            held: products that tell after which block it was best; that one is the result. The last one is when None,
                or when they are too few to tell.

        Raises:
            LabelError: no product has its label among its candidates, so there is nothing to learn an order from.
        """
        target = learnt.right
        chosen = np.flatnonzero(target.any(axis=1))
        if not len(chosen):
            raise LabelError(
                f"none of the {len(learnt)} training rows could be told from other categories; "
                "add products to each category or lower the depth of the label path"
            )
        drawn, weights = rebalance(learnt.truth.first[chosen], config.rebalancing, config.seed)
        if len(drawn) > config.max_products:
            kept = np.random.default_rng(config.seed).choice(len(drawn), config.max_products, replace=False)
            drawn, weights = drawn[np.sort(kept)], weights[np.sort(kept)]
        chosen, pairs = chosen[drawn], learnt.pairs
        if not np.array_equal(chosen, np.arange(len(learnt))):  # the copy is as large as the table itself
            pairs, target = pairs.take(chosen), target[chosen]
        measured = _Measured(held, threads) if held is not None and held.answerable >= FEWEST_HELD else None
        text = _train(pairs, target, weights, config, threads, checkpoints, measured)
        return cls(Forest.parse(text), measured.curve if measured is not None else {})

    def probabilities(self, pairs: Pairs, threads: int) -> npt.NDArray[np.float64]:
        """float64[n, k]: how likely each candidate is among the candidates; each row sums to 1, unranked ones have 0."""
        result = np.zeros(pairs.candidates.shape)
        result[pairs.has_features] = _shares(
            self.forest.sums(np.ascontiguousarray(pairs.features[:, self._columns]), threads), pairs.ranked
        )
        return result

    def importance(self) -> dict[str, float]:
        """Share of the total gain of each feature, the largest first."""
        share = self.forest.importance()
        return {self.forest.names[i]: float(share[i]) for i in np.argsort(-share, kind="stable")}

    def save(self, folder: Path) -> None:
        """Write the booster as LightGBM text, and how it was learnt."""
        (folder / BOOSTER).write_text(self.forest.text, "utf-8")
        (folder / CURVE).write_text(json.dumps(sorted(self.curve.items())), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Ranker":
        """Read what `save` wrote.

        Raises:
            ValueError: the text is no booster over pair features.
        """
        forest = Forest.parse((folder / BOOSTER).read_text("utf-8"))
        strange = set(forest.names) - set(FEATURES)
        if strange or len(forest.names) != forest.features:
            raise ValueError(
                f"a booster over pair features is needed, not over {forest.features} of these: {', '.join(forest.names)}"
            )
        curve = json.loads((folder / CURVE).read_text("utf-8")) if (folder / CURVE).exists() else []
        return cls(forest, {int(trees): float(loss) for trees, loss in curve})

    @cached_property
    def _columns(self) -> npt.NDArray[np.int64] | slice:
        """The pair features that it looks at: all, but for a booster of before some of them were there."""
        if self.forest.names == FEATURES:
            return slice(None)
        return np.array([FEATURES.index(name) for name in self.forest.names])


def _train(
    pairs: Pairs,
    target: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.float32],
    config: RankerConfig,
    threads: int,
    checkpoints: Checkpoints,
    measured: "_Measured | None",
) -> str:
    """The text of the booster as it was when it was best, the same whatever the number of threads."""
    right = target[pairs.has_features]
    counted = np.repeat(weights, pairs.ranked)

    def gradient(raw: npt.NDArray[np.float64]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        probability = _shares(raw, pairs.ranked)
        curvature = np.maximum(probability * (1 - probability), 1e-6)
        return counted * (probability - _wanted(probability, right, pairs.ranked)), counted * curvature

    parameters: dict[str, Any] = {
        "num_leaves": config.leaves,
        "learning_rate": config.learning_rate,
        "min_data_in_leaf": config.min_leaf,
        "feature_fraction": config.column_share,
        "bagging_fraction": config.row_share,
        "bagging_freq": 1,
        "lambda_l2": config.l2,
        "seed": config.seed,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,  # or it stops where no column can be split
        # A quarter of the usual bins, cut by a fortieth of the usual sample: they tell as well, and take a sixth less time.
        "max_bin": 63,
        "bin_construct_sample_cnt": 5_000,
        "num_threads": threads,
        "verbose": -1,
    }
    blocks: tuple[str, ...] = ()
    for grown in grow(
        pairs.features,
        list(FEATURES),
        gradient,
        parameters,
        rounds=config.rounds,
        block=config.block,
        checkpoints=checkpoints,
    ):
        blocks = grown.blocks
        if measured is not None:
            measured.follow(blocks)
            if len(blocks) - measured.best >= config.patience:
                break
    return joined(blocks if measured is None else blocks[: measured.best])


class _Measured:
    """How well a booster under way answers products that it does not learn from.

    Attributes:
        curve: after each block, by the number of trees then, the mean negative logarithm of the probability of the right
            candidates, over the products that have any.
    """

    def __init__(self, held: LabelledPairs, threads: int) -> None:
        self.curve: dict[int, float] = {}
        self._pairs = held.pairs
        self._right = held.right[held.pairs.has_features]
        self._product = np.repeat(np.arange(len(held)), held.pairs.ranked)[self._right]
        self._scores = np.zeros(len(held.pairs.features))
        self._threads = threads

    @property
    def best(self) -> int:
        """After how many blocks it was best."""
        return int(np.argmin(list(self.curve.values()))) + 1

    def follow(self, blocks: tuple[str, ...]) -> None:
        """Measure the blocks that are new."""
        for text in blocks[len(self.curve) :]:
            block = Forest.parse(text)
            self._scores += block.sums(self._pairs.features, self._threads)
            probability = _shares(self._scores, self._pairs.ranked)[self._right]
            of_product = np.bincount(self._product, probability)[np.unique(self._product)]
            loss = float(-np.log(np.maximum(of_product, 1e-12)).mean())
            trees = max(self.curve, default=0) + len(block.first_leaf)
            self.curve[trees] = loss
            logger.debug("re-ranker: %d trees, log loss %.4f on held-out products", trees, loss)


@kernel
def _wanted(probability, right, ranked):
    """float64[pairs]: what the probabilities should be: all with the right candidates, in the shares they have of it now.

    So the probability that the answer is any of them is what grows, and which of them it is stays as it is.
    """
    out = np.zeros(len(probability), np.float64)
    first = 0
    for row in range(len(ranked)):
        last = first + ranked[row]
        total = 0.0
        for i in range(first, last):
            if right[i]:
                total += probability[i]
        for i in range(first, last):
            if right[i]:
                out[i] = probability[i] / max(total, 1e-300)
        first = last
    return out


@kernel
def _shares(scores, ranked):
    """float64[pairs]: the softmax over the ranked candidates of each product, which follow one another in `scores`."""
    out = np.empty(len(scores), np.float64)
    first = 0
    for row in range(len(ranked)):
        last = first + ranked[row]
        largest = -np.inf
        for i in range(first, last):
            largest = max(largest, scores[i])
        total = 0.0
        for i in range(first, last):
            out[i] = np.exp(scores[i] - largest)
            total += out[i]
        for i in range(first, last):
            out[i] /= total
        first = last
    return out
