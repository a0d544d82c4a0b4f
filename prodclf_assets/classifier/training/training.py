"""Training, in two steps that are kept apart so that the second can be run again without the first.

`fit_features` fits the retrievers and writes down what the re-ranker will learn from; `fit_model` trains the re-ranker
and calibrates it on products that it has not seen.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN, TITLE_KEY_COLUMN
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle, Provenance
from prodclf_assets.classifier.calibration.calibrator import FEWEST_PRODUCTS, Calibrator
from prodclf_assets.classifier.calibration.held_out import HeldOut
from prodclf_assets.classifier.calibration.thresholds import DecisionConfig
from prodclf_assets.classifier.checkpoints import NO_CHECKPOINTS, CheckpointFolder
from prodclf_assets.classifier.kernels import available_cores, side_by_side
from prodclf_assets.classifier.label_tree import LabelTree
from prodclf_assets.classifier.profile import profile_of
from prodclf_assets.classifier.ranking.encoder import Encoder, fit_encoder
from prodclf_assets.classifier.ranking.labelled_pairs import LabelledPairs, groups_of
from prodclf_assets.classifier.ranking.ranker import Ranker, RankerConfig
from prodclf_assets.classifier.ranking.rebalancing import imbalance_ratio
from prodclf_assets.classifier.retrieval.retriever import RetrieverConfig
from prodclf_assets.classifier.text_features import TextConfig
from prodclf_assets.classifier.training.out_of_fold import out_of_fold_rankers, out_of_fold_scores
from prodclf_assets.errors import LabelError

logger = logging.getLogger(__name__)

TRAIN_PAIRS = "train_pairs.parquet"
CALIBRATION_FOLDS = 2
"""Parts of the training products that are answered by re-rankers of their own; three or four tell hardly more."""
ENOUGH_PRODUCTS = 5_000
"""Validation products that calibrate and set thresholds by themselves: 95% is then known to 0.4 points."""


@dataclass(frozen=True)
class TrainingConfig:
    """Every parameter of the training.

    Attributes:
        text: what counts as a feature.
        retriever: how the retrievers are fitted.
        ranker: how the booster is trained.
        decision: the promise that `auto` keeps.
        folds: parts of the training products; each is scored by retrievers that have not seen it.
    """

    text: TextConfig = field(default_factory=TextConfig)
    retriever: RetrieverConfig = field(default_factory=RetrieverConfig)
    ranker: RankerConfig = field(default_factory=RankerConfig)
    decision: DecisionConfig = field(default_factory=DecisionConfig)
    folds: int = 5

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ValueError(
                f"folds must be 2 or more, not {self.folds}: no fold would be left to learn from"
            )

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
    """Fit the retrievers, and compute what the re-ranker learns from and what it is calibrated on.

    The retrievers learn from both sides: every pair comes from retrievers that have not seen its product, so products
    that only calibrate would be wasted on them.

    Args:
        train: products frame with `category` and `title_key`.
        validation: the same; may be empty. Categories that `train` does not have cannot be answered.
        config: the parameters.
        threads: how many may run at once; all cores of this process when None.
        checkpoints: where what is done is kept, so that a killed process loses no more than a fold; nowhere when None.

    Raises:
        LabelError: the training products have fewer than two categories.
    """
    threads = threads or available_cores()
    categories = train[LABEL_COLUMN].tolist()
    tree = LabelTree.of(categories)
    if len(tree) < 2:
        only = tree.paths[0] if len(tree) else "none"
        raise LabelError(
            f"the training rows have fewer than two categories ({only}); "
            "add products of another category or lower the depth of the label path"
        )
    both = pd.concat([train, validation], ignore_index=True)
    labels = tree.encode(both[LABEL_COLUMN].tolist())
    logger.info("features: %d products, %d labels, %d folds", len(both), len(tree), config.folds)
    digest = data_hash(train, validation)
    kept = NO_CHECKPOINTS
    if checkpoints:
        kept = checkpoints.open("features", features_inputs(digest, config.to_dict()))
    groups = groups_of(both[TITLE_KEY_COLUMN].tolist())
    encoder, pairs = fit_encoder(
        ProductBatch.from_frame(both),
        groups,
        tree,
        labels,
        config.text,
        config.retriever,
        config.folds,
        threads,
        kept,
    )
    known = LabelledPairs(pairs, labels, groups)
    return FeatureSet(
        encoder,
        known.take(np.arange(len(train))),
        known.take(np.arange(len(train), len(both))),
        profile_of(ProductBatch.from_frame(train)),
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
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Bundle:
    """Train the re-ranker on the training pairs; calibrate it and set thresholds on what was not learnt from.

    That is the validation pairs, and while these are few, the training pairs as well: each is answered by one of two more
    re-rankers, which has not learnt from it. A thousand products alone say 95% of what is 93%, or is 97%.

    Args:
        features: what `fit_features` gave.
        config: the parameters.
        git_commit: of this code, for the manifest.
        threads: how many may run at once; all cores of this process when None.
        checkpoints: where what is done is kept, so that a killed process loses no more than a block of trees; nowhere
            when None.
        now: the clock.
    """
    threads = threads or available_cores()
    kept = NO_CHECKPOINTS
    if checkpoints:
        kept = checkpoints.open("model", {"pairs": features.train.digest, "config": config.to_dict()})
    tree, train, held = features.encoder.tree, features.train, features.validation

    def fit(threads: int) -> Ranker:
        return Ranker.fit(train.pairs, train.labels, config.ranker, threads, kept, held)

    # Half the trees with twice the step: what they tell is how sure an answer is, and they tell it in half the time.
    faster = replace(
        config.ranker, rounds=max(1, config.ranker.rounds // 2), learning_rate=2 * config.ranker.learning_rate
    )
    more = _too_few(train, held)
    jobs = [fit, *(out_of_fold_rankers(train, faster, CALIBRATION_FOLDS, kept, held) if more else [])]
    ranker, *others = side_by_side(jobs, len(train.labels), threads)
    scored = [(held, ranker.probabilities(held.pairs, threads))]
    if more:
        scored.append((train, out_of_fold_scores(train, others, threads)))
    calibrator, answered = _calibrated(scored, len(tree))
    thresholds = HeldOut.joined(answered).thresholds(tree, config.decision)
    validated = answered[0]  # by the re-ranker that will answer
    metrics = {
        "imbalance_ratio": imbalance_ratio(train.labels),
        **{f"validation_{name}": value for name, value in validated.metrics(thresholds).items()},
    }
    logger.info("model: %s", {name: round(value, 4) for name, value in metrics.items()})
    provenance = Provenance(
        data_hash=features.data_hash,
        git_commit=git_commit,
        created_at=now().isoformat(timespec="seconds"),
        metrics=metrics,
        training=config.to_dict(),
        profile={**features.profile, **validated.distribution(len(tree))},
    )
    return Bundle(features.encoder, ranker, calibrator, thresholds, provenance, threads)


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


def _calibrated(
    scored: list[tuple[LabelledPairs, npt.NDArray[np.float64]]], count: int
) -> tuple[Calibrator, list[HeldOut]]:
    """The calibrator of the first of the sides, and all sides calibrated.

    The re-rankers that score the others have learnt from fewer products, so each side has an offset of its own.

    Args:
        scored: the products of each side, and float64[n, k], what a re-ranker says of them.
        count: how many labels there are.
    """
    calibrators = Calibrator.fit_each(
        [(raw, side.pairs.candidates, side.hits) for side, raw in scored], count
    )
    answered = [
        HeldOut(
            side.pairs.candidates,
            calibrator.apply(raw, side.pairs.candidates),
            side.labels,
            side.pairs.familiarity,
        )
        for calibrator, (side, raw) in zip(calibrators, scored, strict=True)
    ]
    return calibrators[0], answered


def _too_few(train: LabelledPairs, held: LabelledPairs) -> bool:
    """Whether validation products cannot calibrate by themselves, and training products can help.

    With none to speak of nobody can tell how good the re-ranker is, and nothing is promised.
    """
    of_fold = np.bincount(
        train.folds(CALIBRATION_FOLDS)[train.right.any(axis=1)], minlength=CALIBRATION_FOLDS
    )
    learnt_from = (of_fold.sum() - of_fold).min()
    return FEWEST_PRODUCTS <= len(held.labels) < ENOUGH_PRODUCTS and bool(learnt_from >= FEWEST_PRODUCTS)
