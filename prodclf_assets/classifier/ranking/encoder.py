"""From products to what the re-ranker sees: candidates and pair features, in and out of fold."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.checkpoints import NO_CHECKPOINTS, Checkpoints
from prodclf_assets.classifier.kernels import side_by_side
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.label_tree import LabelTree
from prodclf_assets.classifier.ranking.encoder_arrays import LARGEST, Arrays, read_arrays, write_arrays
from prodclf_assets.classifier.ranking.pair_features import (
    KEYS,
    AffinityTable,
    LabelStatistics,
    ProductTraits,
)
from prodclf_assets.classifier.retrieval.branch_scorer import BranchScorer
from prodclf_assets.classifier.retrieval.label_weights import LabelWeights
from prodclf_assets.classifier.retrieval.neighbours import Neighbours
from prodclf_assets.classifier.retrieval.retriever import Retriever, RetrieverConfig
from prodclf_assets.classifier.text_features import HashedTexts, SparseRows, TextConfig, Vocabulary

SCORER_PARTS = ("indptr", "labels", "weights")
AFFINITY_PARTS = ("ids", "indptr", "labels", "counts")
LONGEST_NGRAM = 64
"""Characters; longer ones would need more memory than they tell."""
T = TypeVar("T")


@dataclass(frozen=True)
class Pairs:
    """Products and their candidate labels.

    Attributes:
        candidates: int32[n, k], label codes, the likeliest first.
        ranked: int32[n], how many candidates of each product, from the first, have features and are ranked.
        features: float32[pairs, len(FEATURES)], the ranked candidates of a product together.
        familiarity: float32[n], share of the title's wording that training has seen, see `SparseRows`.
    """

    candidates: npt.NDArray[np.int32]
    ranked: npt.NDArray[np.int32]
    features: npt.NDArray[np.float32]
    familiarity: npt.NDArray[np.float32]

    @property
    def has_features(self) -> npt.NDArray[np.bool_]:
        """bool[n, k]: the candidates that are ranked; row by row, they are the rows of `features`."""
        mask: npt.NDArray[np.bool_] = np.arange(self.candidates.shape[1]) < self.ranked[:, None]
        return mask

    def take(self, rows: npt.NDArray[np.int64]) -> "Pairs":
        """The pairs of some of the products, by position."""
        ends = np.cumsum(self.ranked, dtype=np.int64)
        size = self.ranked[rows].astype(np.int64)
        # For each pair that is taken: where its product's pairs begin, and its place among them.
        first = np.repeat((ends - self.ranked)[rows], size)
        place = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        return Pairs(
            self.candidates[rows], self.ranked[rows], self.features[first + place], self.familiarity[rows]
        )

    @classmethod
    def joined(cls, parts: "list[Pairs]") -> "Pairs":
        """The pairs of all parts, one part after the other."""
        return cls(
            np.concatenate([part.candidates for part in parts]),
            np.concatenate([part.ranked for part in parts]),
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.familiarity for part in parts]),
        )

    def save(self, folder: Path) -> None:
        """Write the pairs into a folder as NumPy arrays."""
        for name, array in vars(self).items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> "Pairs":
        """Read what `save` wrote."""
        return cls(*(np.load(folder / f"{field.name}.npy", allow_pickle=False) for field in fields(cls)))


@dataclass(frozen=True)
class Encoder:
    """Everything fitted that comes before the re-ranker.

    Attributes:
        tree: the labels.
        vocabulary: the features of texts.
        retriever: the scorers that choose candidates.
        statistics: what is known of each label.
    """

    tree: LabelTree
    vocabulary: Vocabulary
    retriever: Retriever
    statistics: LabelStatistics

    def encode(self, products: ProductBatch, threads: int = 1) -> Pairs:
        """Candidates and pair features of each product."""
        return self.pairs(self.vocabulary.transform(products, threads), ProductTraits.of(products), threads)

    def pairs(self, rows: SparseRows, traits: ProductTraits, threads: int) -> Pairs:
        """The same of products whose features and traits are known."""
        found = self.retriever.retrieve(rows, threads)
        features = self.statistics.features(found, traits, self.tree, threads)
        return Pairs(found.labels, found.ranked, features, rows.familiarity)

    def save(self, folder: Path) -> None:
        """Write the encoder into a folder as NumPy arrays and JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        config = {
            "text": asdict(self.vocabulary.config),
            "unseen_idf": self.vocabulary.unseen_idf,
            "least_words": self.vocabulary.least_words,
            "retriever": asdict(self.retriever.config),
        }
        (folder / "encoder.json").write_text(json.dumps(config, indent=1, sort_keys=True), "utf-8")
        (folder / "labels.json").write_text(
            json.dumps(self.tree.paths, indent=0, ensure_ascii=False), "utf-8"
        )
        write_arrays(folder, self._arrays())

    @classmethod
    def load(cls, folder: Path) -> "Encoder":
        """Read what `save` wrote.

        Raises:
            ValueError: an array does not fit the others, see `read_arrays`, or a parameter is none that could be.
        """
        config = json.loads((folder / "encoder.json").read_text("utf-8"))
        paths = json.loads((folder / "labels.json").read_text("utf-8"))
        if paths != sorted({str(path) for path in paths}):
            raise ValueError("labels.json is no list of categories in ascending order")
        tree = LabelTree(tuple(paths))
        arrays = read_arrays(folder, len(tree))

        def parts(kind: Callable[..., T], prefix: str, names: Iterable[str]) -> T:
            return kind(*(arrays[f"{prefix}_{name}"] for name in names))

        bias = arrays["svm_bias"]
        if "branch_of" in arrays:
            prior = arrays["prior"]
            weights = parts(LabelWeights, "branches", SCORER_PARTS)
            branches = BranchScorer(arrays["branch_of"], weights, arrays["branch_bias"])
            neighbours = parts(Neighbours, "neighbours", (field.name for field in fields(Neighbours)))
        else:  # written by a version that did not know them
            prior, branches = np.zeros_like(bias), BranchScorer.none(len(bias))
            neighbours = Neighbours.none(len(arrays["vocabulary_slots"]))
        return cls(
            tree,
            Vocabulary(
                _parameters(TextConfig, config["text"]),
                arrays["vocabulary_slots"],
                arrays["vocabulary_idf"],
                float(config["unseen_idf"]),
                int(config.get("least_words", 0)),
            ),
            Retriever(
                _parameters(RetrieverConfig, config["retriever"]),
                parts(LabelWeights, "scorers", SCORER_PARTS),
                arrays["mass_bias"],
                prior,
                bias,
                branches,
                neighbours,
            ),
            LabelStatistics(
                arrays["label_counts"],
                arrays["label_middle"],
                arrays["label_spread"],
                tuple(parts(AffinityTable, f"affinity_{key}", AFFINITY_PARTS) for key in KEYS),
            ),
        )

    def _arrays(self) -> Arrays:
        arrays: Arrays = {
            "vocabulary_slots": self.vocabulary.slots,
            "vocabulary_idf": self.vocabulary.idf,
            "mass_bias": self.retriever.mass_bias,
            "prior": self.retriever.prior,
            "svm_bias": self.retriever.svm_bias,
            "label_counts": self.statistics.counts,
            "label_middle": self.statistics.middle,
            "label_spread": self.statistics.spread,
        }
        branches = self.retriever.branches
        arrays |= {"branch_of": branches.branch, "branch_bias": branches.bias}
        for name, weights in (("scorers", self.retriever.weights), ("branches", branches.weights)):
            arrays |= {f"{name}_{part}": getattr(weights, part) for part in SCORER_PARTS}
        arrays |= {f"neighbours_{name}": array for name, array in vars(self.retriever.neighbours).items()}
        for key, affinity in zip(KEYS, self.statistics.affinities, strict=True):
            arrays |= {f"affinity_{key}_{part}": getattr(affinity, part) for part in AFFINITY_PARTS}
        return arrays


def fit_encoder(
    products: ProductBatch,
    groups: npt.NDArray[np.uint32],
    tree: LabelTree,
    truth: LabelSets,
    text: TextConfig,
    retriever: RetrieverConfig,
    folds: int,
    threads: int,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
) -> tuple[Encoder, Pairs]:
    """Fit an encoder, and encode its own training products out of fold.

    Each product's pairs come from an encoder fitted without any product of its fold, vocabulary included, so the
    re-ranker sees scores as they will be on unseen products. Products of one group (title) share a fold.

    Args:
        products: the training products.
        groups: uint32[n], a key per product; equal keys share a fold.
        tree: the labels.
        truth: the labels of each product; nothing is learnt from one without any.
        text: what counts as a feature.
        retriever: how the retrievers are fitted.
        folds: how many parts the products are dealt into, two at least.
        threads: how many may run at once.
        checkpoints: where each fold, and the encoder, is kept as soon as it is there.
    """
    # What is the same in all folds is computed once.
    traits, texts = ProductTraits.of(products), HashedTexts.of(products, text, threads)

    def fit(members: npt.NDArray[np.bool_], threads: int) -> Encoder:
        chosen = np.flatnonzero(members & (truth.sizes > 0))
        own, known = texts.take(chosen), truth.take(chosen)
        vocabulary = Vocabulary.fit(own)
        rows = vocabulary.weigh(own, threads)
        names = vocabulary.transform(_titles(tree.names), threads)
        return Encoder(
            tree,
            vocabulary,
            Retriever.fit(rows, known, names, tree.parent, len(vocabulary), retriever, threads),
            LabelStatistics.fit(traits.take(chosen), known, len(tree)),
        )

    def whole(threads: int) -> Encoder:
        return checkpoints.stage("encoder", Encoder, lambda: fit(np.full(len(truth), True), threads))

    def out_of_fold(part: int, threads: int) -> Pairs:
        def encode() -> Pairs:
            encoder, held = fit(fold != part, threads), members[part]
            rows = encoder.vocabulary.weigh(texts.take(held), threads)
            return encoder.pairs(rows, traits.take(held), threads)

        return checkpoints.stage(f"fold_{part + 1}_of_{folds}", Pairs, encode)

    fold = groups % np.uint32(folds)
    members = {part: np.flatnonzero(fold == part) for part in np.unique(fold).tolist()}
    jobs: list[Callable[[int], Encoder | Pairs]] = [whole, *(partial(out_of_fold, part) for part in members)]
    done = side_by_side(jobs, len(truth), threads)
    encoder, *parts = cast("tuple[Encoder, *tuple[Pairs, ...]]", tuple(done))
    in_order = np.argsort(np.concatenate(list(members.values())), kind="stable")
    return encoder, Pairs.joined(parts).take(in_order)


def _parameters(kind: type[T], content: dict[str, Any]) -> T:
    """The parameters that a bundle was fitted with, of the types they are declared with.

    Raises:
        ValueError: one has another type, or a size that could not have been fitted.
    """
    given = asdict(TypeAdapter(kind).validate_python(content))  # type: ignore[call-overload]
    numbers = np.hstack([*given.values()])
    ngrams = 1 <= given.get("low", 1) <= given.get("high", 1) <= LONGEST_NGRAM
    if not (ngrams and given.get("candidates", 1) > 0 and ((numbers >= 0) & (numbers <= LARGEST)).all()):
        raise ValueError(f"encoder.json has a number that no {kind.__name__} could have")
    if content.keys() - given.keys():
        raise ValueError(f"encoder.json has what {kind.__name__} does not know")
    return kind(**given)


def _titles(titles: list[str]) -> ProductBatch:
    """Products that have a title and nothing else."""
    empty = [""] * len(titles)
    missing = np.full(len(titles), np.nan)
    return ProductBatch(titles, empty, empty, empty, empty, missing, missing, missing, missing)
