# mypy: allow-untyped-defs
"""The re-ranker: LightGBM over (product, candidate) pairs, whose cost does not depend on the number of labels.

One booster is trained on the softmax over a product's candidates (the conditional logit of McFadden 1974; in ranking,
ListNet with the top-one probability, Cao et al. 2007): what is maximised is the probability of the right candidate, the
very number that is answered. Measured, it is as accurate as a pointwise and a LambdaRank booster together.
"""

import logging
from dataclasses import dataclass, field
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
        max_products: products whose pairs are learnt from at the most; more add time, not accuracy.
        rebalancing: how rare labels get more say.
        block: rounds after which the booster is measured, and kept as a checkpoint.
        patience: blocks without a gain after which training ends.
        seed: of all drawing.
    """

    rounds: int = 120
    leaves: int = 16
    learning_rate: float = 0.08
    min_leaf: int = 60
    column_share: float = 0.6
    row_share: float = 0.8
    l2: float = 1.0
    max_products: int = 200_000
    rebalancing: Rebalancing = "none"
    block: int = 20
    patience: int = 3
    seed: int = 7


@dataclass(frozen=True)
class Ranker:
    """The booster.

    Attributes:
        forest: its trees.
        curve: with how many trees, while it was trained, it answered held-out products with which log loss; empty when
            it was loaded.
    """

    forest: Forest
    curve: dict[int, float] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        pairs: Pairs,
        labels: npt.NDArray[np.int32],
        config: RankerConfig,
        threads: int,
        checkpoints: Checkpoints = NO_CHECKPOINTS,
        held: LabelledPairs | None = None,
    ) -> "Ranker":
        """Train on the pairs of products whose label is `labels[n]`; one whose label is no candidate teaches nothing.

        Args:
            pairs: the products' candidates and features.
            labels: int32[n].
            config: how to train.
            threads: how many may run at once; the result does not depend on it.
            checkpoints: where the booster is kept after every block of rounds.
            held: products that tell after which block it was best; that one is the result. The last one is when None,
                or when they are too few to tell.

        Raises:
            LabelError: no product has its label among its candidates, so there is nothing to learn an order from.
        """
        target = (pairs.candidates == labels[:, None]) & pairs.has_features
        chosen = np.flatnonzero(target.any(axis=1))
        if not len(chosen):
            raise LabelError(
                f"none of the {len(labels)} training rows could be told from other categories; "
                "add products to each category or lower the depth of the label path"
            )
        drawn, weights = rebalance(labels[chosen], config.rebalancing, config.seed)
        if len(drawn) > config.max_products:
            kept = np.random.default_rng(config.seed).choice(len(drawn), config.max_products, replace=False)
            drawn, weights = drawn[np.sort(kept)], weights[np.sort(kept)]
        chosen = chosen[drawn]
        if not np.array_equal(chosen, np.arange(len(labels))):  # the copy is as large as the table itself
            pairs, target = pairs.take(chosen), target[chosen]
        measured = _Measured(held, threads) if held is not None and held.answerable >= FEWEST_HELD else None
        text = _train(pairs, target, weights, config, threads, checkpoints, measured)
        return cls(Forest.parse(text), measured.curve if measured is not None else {})

    def probabilities(self, pairs: Pairs, threads: int) -> npt.NDArray[np.float64]:
        """float64[n, k]: how likely each candidate is among the candidates; each row sums to 1, unranked ones have 0."""
        result = np.zeros(pairs.candidates.shape)
        result[pairs.has_features] = _shares(self.forest.sums(pairs.features, threads), pairs.ranked)
        return result

    def importance(self) -> dict[str, float]:
        """Share of the total gain of each feature, the largest first."""
        share = self.forest.importance()
        return {FEATURES[i]: float(share[i]) for i in np.argsort(-share, kind="stable")}

    def save(self, folder: Path) -> None:
        """Write the booster as LightGBM text."""
        (folder / BOOSTER).write_text(self.forest.text, "utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Ranker":
        """Read what `save` wrote.

        Raises:
            ValueError: the text is no booster over the pair features.
        """
        forest = Forest.parse((folder / BOOSTER).read_text("utf-8"))
        if forest.features != len(FEATURES):
            raise ValueError(f"a booster over {len(FEATURES)} features is needed, not {forest.features}")
        return cls(forest)


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
    right = target[pairs.has_features].astype(np.float32)
    counted = np.repeat(weights, pairs.ranked)

    def gradient(raw: npt.NDArray[np.float64]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        probability = _shares(raw, pairs.ranked)
        curvature = np.maximum(probability * (1 - probability), 1e-6)
        return counted * (probability - right), counted * curvature

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
        "bin_construct_sample_cnt": 20_000,  # the usual 200,000 take longer by two thirds and cut no better
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
            candidate, over the products that have it.
    """

    def __init__(self, held: LabelledPairs, threads: int) -> None:
        self.curve: dict[int, float] = {}
        self._pairs = held.pairs
        self._right = held.right[held.pairs.has_features]
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
            loss = float(-np.log(np.maximum(probability, 1e-12)).mean())
            trees = max(self.curve, default=0) + len(block.first_leaf)
            self.curve[trees] = loss
            logger.info("re-ranker: %d trees, log loss %.4f on held-out products", trees, loss)


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
