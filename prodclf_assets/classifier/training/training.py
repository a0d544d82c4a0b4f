"""Training, in two steps that are kept apart so that the second can be run again without the first.

`fit_features` fits the retrievers and writes down what the re-ranker will learn from; `fit_model` trains the re-ranker
and calibrates it on answers to products that were not learnt from.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.category_sets import categories_of
from prodclf_assets.catalog.columns import TITLE_KEY_COLUMN
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle, Provenance
from prodclf_assets.classifier.calibration.calibrator import FEWEST_PRODUCTS, Calibrator
from prodclf_assets.classifier.calibration.held_out import HeldOut
from prodclf_assets.classifier.calibration.thresholds import NEVER, DecisionConfig
from prodclf_assets.classifier.checkpoints import NO_CHECKPOINTS, CheckpointFolder, Checkpoints
from prodclf_assets.classifier.kernels import available_cores, side_by_side
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.label_tree import LabelTree
from prodclf_assets.classifier.profile import profile_of
from prodclf_assets.classifier.ranking.encoder import Encoder, fit_encoder
from prodclf_assets.classifier.ranking.labelled_pairs import LabelledPairs, groups_of
from prodclf_assets.classifier.ranking.ranker import Ranker, RankerConfig
from prodclf_assets.classifier.ranking.rebalancing import imbalance_ratio
from prodclf_assets.classifier.retrieval.retriever import RetrieverConfig
from prodclf_assets.classifier.text_features import TextConfig
from prodclf_assets.classifier.training.out_of_fold import (
    mean_curve,
    out_of_fold_rankers,
    out_of_fold_scores,
)
from prodclf_assets.errors import LabelError

logger = logging.getLogger(__name__)

TRAIN_PAIRS = "train_pairs.parquet"
CALIBRATION_FOLDS = 2
"""Parts of the products that are answered by re-rankers of their own; three tell hardly more."""
FEW_PRODUCTS = 5_000
FEWEST_TO_LEARN = 20
"""Products below which a re-ranker learns nothing that would tell how sure an answer is."""


@dataclass(frozen=True)
class TrainingConfig:
    """Every parameter of the training.

    Attributes:
        text: what counts as a feature.
        retriever: how the retrievers are fitted.
        ranker: how the booster is trained.
        decision: the promise that `auto` keeps.
        folds: parts of the training products; each is scored by retrievers that have not seen it.
        folds_of_few: the same where products are fewer than `FEW_PRODUCTS`: there a fifth of them is missed.
    """

    text: TextConfig = field(default_factory=TextConfig)
    retriever: RetrieverConfig = field(default_factory=RetrieverConfig)
    ranker: RankerConfig = field(default_factory=RankerConfig)
    decision: DecisionConfig = field(default_factory=DecisionConfig)
    folds: int = 5
    folds_of_few: int = 10

    def __post_init__(self) -> None:
        if min(self.folds, self.folds_of_few) < 2:
            raise ValueError(
                f"folds must be 2 or more, not {min(self.folds, self.folds_of_few)}: no fold would be left to learn from"
            )

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """The parameters that a model was trained with, those of the re-ranker at least."""
        return cls(ranker=RankerConfig(**bundle.provenance.training["ranker"]))

    def folds_for(self, products: int) -> int:
        """How many parts so many products are dealt into."""
        return self.folds if products >= FEW_PRODUCTS else self.folds_of_few

    def to_dict(self) -> dict[str, Any]:
        """All parameters, nested, JSON-able."""
        return asdict(self)


@dataclass(frozen=True)
class FeatureSet:
    """What the re-ranker learns from.

    Attributes:
        encoder: the fitted retrievers and statistics, as they will be used on new products.
        train: pairs of the training products, out of fold.
        validation: pairs of the validation products, out of fold.
        profile: how the training inputs are distributed.
        data_hash: content hash of the training and validation rows.
        config: the parameters.
    """

    encoder: Encoder
    train: LabelledPairs
    validation: LabelledPairs
    profile: dict[str, Any]
    data_hash: str
    config: dict[str, Any]

    @cached_property
    def known(self) -> LabelledPairs:
        """Pairs of all products."""
        return LabelledPairs.joined([self.train, self.validation])

    def save(self, folder: Path) -> None:
        """Write into a folder: Parquet for the pairs, arrays and JSON for the rest."""
        import orjson

        self.encoder.save(folder / "encoder")
        self.train.save(folder / TRAIN_PAIRS)
        self.validation.save(folder / "validation_pairs.parquet")
        rest = {"profile": self.profile, "data_hash": self.data_hash, "config": self.config}
        (folder / "features.json").write_bytes(
            orjson.dumps(rest, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        )

    @classmethod
    def load(cls, folder: Path) -> "FeatureSet":
        """Read what `save` wrote."""
        import orjson

        return cls(
            Encoder.load(folder / "encoder"),
            LabelledPairs.load(folder / TRAIN_PAIRS),
            LabelledPairs.load(folder / "validation_pairs.parquet"),
            **orjson.loads((folder / "features.json").read_bytes()),
        )


def fit_features(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    config: TrainingConfig,
    threads: int | None = None,
    checkpoints: CheckpointFolder | None = None,
) -> FeatureSet:
    """Fit the retrievers, and compute what the re-ranker learns from.

    All is learnt from both sides: every pair comes from retrievers that have not seen its product.

    Args:
        train: products frame with `category` and `title_key`.
        validation: the same; may be empty.
        config: the parameters.
        threads: how many may run at once; all cores of this process when None.
        checkpoints: where what is done is kept, so that a killed process loses no more than a fold; nowhere when None.

    Raises:
        LabelError: the training products have fewer than two categories.
    """
    threads = threads or available_cores()
    both = pd.concat([train, validation], ignore_index=True)
    tree = LabelTree.of(categories_of(both).tolist())
    if len(tree) < 2:
        only = tree.paths[0] if len(tree) else "none"
        raise LabelError(
            f"the training rows have fewer than two categories ({only}); "
            "add products of another category or lower the depth of the label path"
        )
    truth = LabelSets.of(both, tree)
    folds = config.folds_for(len(both))
    logger.info("learns from %d products in %d categories, in %d parts", len(both), len(tree), folds)
    digest = data_hash(train, validation)
    kept = NO_CHECKPOINTS
    if checkpoints:
        kept = checkpoints.open("features", features_inputs(digest, config.to_dict()))
    groups = groups_of(both[TITLE_KEY_COLUMN].tolist())
    encoder, pairs = fit_encoder(
        ProductBatch.from_frame(both),
        groups,
        tree,
        truth,
        config.text,
        config.retriever,
        folds,
        threads,
        kept,
    )
    known = LabelledPairs(pairs, truth, groups)
    return FeatureSet(
        encoder,
        known.take(np.arange(len(train))),
        known.take(np.arange(len(train), len(both))),
        profile_of(ProductBatch.from_frame(both)),
        digest,
        config.to_dict(),
    )


def fit_model(
    features: FeatureSet,
    config: TrainingConfig,
    *,
    git_commit: str | None = None,
    threads: int | None = None,
    checkpoints: CheckpointFolder | None = None,
    measured: Bundle | None = None,
    may_file: bool = True,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Bundle:
    """Train the re-ranker on all pairs; calibrate it and set thresholds on answers to products that were not learnt from.

    Every product is answered by one of a few more re-rankers, which has not learnt from it, over scores of retrievers
    that have not, either (cross-fitting, Chernozhukov et al. 2018). So no product is kept from learning to be measured.

    Args:
        features: what `fit_features` gave.
        config: the parameters.
        git_commit: of this code, for the manifest.
        threads: how many may run at once; all cores of this process when None.
        checkpoints: where what is done is kept, so that a killed process loses no more than a block of trees; nowhere
            when None.
        measured: a saved model of the same parameters that has not learnt from all of these products, and was measured on
            those it has not; the manifest names it. None for a model that is measured itself.
        may_file: whether it may file without a person what its thresholds allow; False where that was not measured.
        now: the clock.
    """
    threads = threads or available_cores()
    kept = NO_CHECKPOINTS
    tree, known = features.encoder.tree, features.known
    if checkpoints:
        kept = checkpoints.open("model", {"pairs": known.digest, "config": config.to_dict()})
    curve, held = _cross_fitted(known, config.ranker, threads, kept)
    rounds = min(curve, key=curve.__getitem__) if curve else config.ranker.rounds
    ranker = Ranker.fit(known, replace(config.ranker, rounds=rounds), threads, kept)
    calibrator = Calibrator.fit(held.probabilities, held.candidates, held.hits, len(tree))
    # Those that answered learnt from all parts of the products but one, the model learns from all.
    parts = config.folds_for(len(known))
    whole = calibrator.for_more(parts / (parts - 1)) if len(held.truth) >= FEWEST_PRODUCTS else calibrator
    before, after = (each.apply(held.probabilities, held.candidates) for each in (calibrator, whole))
    answered = replace(held, probabilities=after, gain=after.max(axis=1) - before.max(axis=1))
    thresholds = answered.thresholds(tree, config.decision)
    if not may_file:
        thresholds = replace(thresholds, common=NEVER, own={})
    metrics = {
        "imbalance_ratio": imbalance_ratio(known.labels),
        **{f"out_of_fold_{name}": value for name, value in answered.metrics(thresholds).items()},
    }
    logger.debug("model: %s", {name: round(value, 4) for name, value in metrics.items()})
    provenance = Provenance(
        data_hash=features.data_hash,
        git_commit=git_commit,
        created_at=now().isoformat(timespec="seconds"),
        metrics=metrics,
        training=config.to_dict(),
        profile={**features.profile, **answered.distribution(len(tree))},
        measured=None if measured is None else measured.version,
    )
    return Bundle(features.encoder, replace(ranker, curve=curve), whole, thresholds, provenance, threads)


def _cross_fitted(
    known: LabelledPairs, config: RankerConfig, threads: int, kept: Checkpoints
) -> tuple[dict[int, float], HeldOut]:
    """How the loss falls with the number of trees, and the re-rankers' probabilities of all products, out of fold.

    With half the trees and twice the step: what they tell is how sure an answer is, and they tell it in half the time.
    Without products enough to learn from and to measure on, nothing can be told, and nothing is promised.
    """
    fold = known.folds(CALIBRATION_FOLDS)
    of_fold = np.bincount(fold[known.right.any(axis=1)], minlength=CALIBRATION_FOLDS)
    if of_fold.sum() < FEWEST_PRODUCTS or (of_fold.sum() - of_fold).min() < FEWEST_TO_LEARN:
        known = known.take(np.empty(0, np.int64))
        return {}, _held_out(known, np.empty(known.pairs.candidates.shape))
    faster = replace(config, rounds=max(1, config.rounds // 2), learning_rate=2 * config.learning_rate)
    jobs = out_of_fold_rankers(known, faster, CALIBRATION_FOLDS, kept)
    rankers = side_by_side(jobs, len(known), threads)
    curve = {2 * trees: loss for trees, loss in mean_curve(rankers).items()}
    return curve, _held_out(known, out_of_fold_scores(known, rankers, threads))


def _held_out(products: LabelledPairs, probabilities: npt.NDArray[np.float64]) -> HeldOut:
    """What re-rankers say of products' candidates, float64[n, k]."""
    pairs = products.pairs
    return HeldOut(pairs.candidates, probabilities, products.truth, pairs.familiarity)


def features_inputs(digest: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """All that decides what `fit_features` gives, from the hash of the rows and the parameters."""
    return {"data": digest, **{name: config[name] for name in config if name not in ("ranker", "decision")}}


def data_hash(*frames: pd.DataFrame) -> str:
    """SHA-256 (hex) over the content of frames: columns, values and row order, whatever the index."""
    digest = hashlib.sha256()
    for frame in frames:
        for column in frame.columns:
            digest.update(json.dumps(["column", column]).encode())
            values = frame[column]
            if values.dtype.kind == "f":
                numbers = values.to_numpy(np.float64, copy=True)
                numbers[np.isnan(numbers)] = np.nan  # NaN has many bit patterns, all of which mean missing
                digest.update(numbers.tobytes())
            else:
                # JSON, since texts joined by any character could be told apart only if none contained it.
                texts = values.astype("string").astype(object)
                digest.update(json.dumps(texts.where(texts.notna(), None).tolist()).encode())
    return digest.hexdigest()
