"""Training, in two steps that are kept apart so that the second can be run again without the first.

`fit_features` fits the retrievers and writes down what the re-ranker will learn from; `fit_model` trains the re-ranker
and calibrates it on validation products.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.columns import LABEL_COLUMN, TITLE_KEY_COLUMN
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle, Provenance
from prodclf_assets.classifier.calibration import Calibrator, calibration_error
from prodclf_assets.classifier.checkpoints import NO_CHECKPOINTS, CheckpointFolder
from prodclf_assets.classifier.decision import DecisionConfig, Thresholds
from prodclf_assets.classifier.encoder import Encoder, fit_encoder
from prodclf_assets.classifier.kernels import available_cores
from prodclf_assets.classifier.labelled_pairs import LabelledPairs
from prodclf_assets.classifier.labels import LabelTree
from prodclf_assets.classifier.profile import profile_of
from prodclf_assets.classifier.ranker import Ranker, RankerConfig
from prodclf_assets.classifier.rebalancing import imbalance_ratio
from prodclf_assets.classifier.retrievers import RetrieverConfig
from prodclf_assets.classifier.text import TextConfig
from prodclf_assets.errors import LabelError

logger = logging.getLogger(__name__)

TRAIN_PAIRS = "train_pairs.parquet"


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
    encoder, pairs = fit_encoder(
        ProductBatch.from_frame(both),
        both[TITLE_KEY_COLUMN].tolist(),
        tree,
        labels,
        config.text,
        config.retriever,
        config.folds,
        threads,
        kept,
    )
    learnt, held = np.arange(len(train)), np.arange(len(train), len(both))
    return FeatureSet(
        encoder,
        LabelledPairs(pairs.take(learnt), labels[learnt]),
        LabelledPairs(pairs.take(held), labels[held]),
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
    """Train the re-ranker on the training pairs, calibrate and set thresholds on the validation pairs.

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
    held = features.validation
    ranker = Ranker.fit(features.train.pairs, features.train.labels, config.ranker, threads, kept, held)
    raw = ranker.probabilities(held.pairs, threads)
    hits = held.pairs.candidates == held.labels[:, None]
    calibrator = Calibrator.fit(raw, held.pairs.candidates, hits, len(features.encoder.tree))
    probabilities = calibrator.apply(raw, held.pairs.candidates)
    rows = np.arange(len(raw))
    best = probabilities.argmax(axis=1) if len(raw) else np.empty(0, np.int64)
    labels = held.pairs.candidates[rows, best]
    confidence, correct = probabilities[rows, best], hits[rows, best]
    branch_confidence, branch_correct = _branches(features.encoder.tree, held, probabilities)
    thresholds = Thresholds.fit(
        labels,
        confidence,
        correct,
        branch_confidence,
        branch_correct,
        held.pairs.familiarity,
        config.decision,
    )
    auto = thresholds.decide(labels, confidence, held.pairs.familiarity) == 0
    metrics = {
        "imbalance_ratio": imbalance_ratio(features.train.labels),
        "validation_rows": float(len(raw)),
        "validation_accuracy": float(correct.mean()) if len(raw) else 0.0,
        "validation_recall_at_candidates": float(hits.any(axis=1).mean()) if len(raw) else 0.0,
        "validation_ece": calibration_error(confidence, correct),
        "validation_auto_share": float(auto.mean()) if len(raw) else 0.0,
        "validation_auto_precision": float(correct[auto].mean()) if auto.any() else 0.0,
    }
    logger.info("model: %s", {name: round(value, 4) for name, value in metrics.items()})
    provenance = Provenance(
        data_hash=features.data_hash,
        git_commit=git_commit,
        created_at=now().isoformat(timespec="seconds"),
        metrics=metrics,
        training=config.to_dict(),
        profile={
            **features.profile,
            **_answers(features.encoder.tree, labels, confidence, held.pairs.familiarity),
        },
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


def _branches(
    tree: LabelTree,
    held: LabelledPairs,
    probabilities: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Summed probability of every branch above each product's best candidate, and whether the true label is in it."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    candidates = np.take_along_axis(held.pairs.candidates, order, axis=1)
    confidence = tree.branch_probabilities(candidates, np.take_along_axis(probabilities, order, axis=1))
    branches = tree.lineage[candidates[:, 0]]
    truth = tree.lineage[held.labels]
    # A rare label is counted under its parent, which then is a label and a branch at once.
    inside = (branches[:, :, None] == truth[:, None, :]).any(axis=2)
    inside |= tree.as_branch[held.labels][:, None] == branches
    correct = inside & (held.labels >= 0)[:, None]
    return confidence[branches >= 0], correct[branches >= 0]


def _answers(
    tree: LabelTree,
    labels: npt.NDArray[np.int32],
    confidence: npt.NDArray[np.float64],
    familiarity: npt.NDArray[np.float32],
) -> dict[str, Any]:
    """How validation answers are distributed: share of each label, of confidence in tenths; deciles of familiarity."""
    shares = np.bincount(labels, minlength=len(tree)) / max(1, len(labels))
    tenths = np.histogram(confidence, bins=10, range=(0, 1))[0] / max(1, len(labels))
    deciles = np.quantile(familiarity, np.linspace(0, 1, 11)) if len(familiarity) else np.empty(0)
    return {
        "label_shares": shares.round(6).tolist(),
        "confidence_tenths": tenths.round(6).tolist(),
        "familiarity_deciles": deciles.round(6).tolist(),
    }
