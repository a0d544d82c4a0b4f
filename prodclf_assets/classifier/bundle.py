"""The model as one folder: LightGBM text, NumPy arrays and JSON, with a manifest that holds the hash of every file.

The same bytes are evaluated, registered and served. Nothing in it is code: arrays are read with pickling off. The
hashes tell damage, not malice: so every array, tree and parameter is held against the others before it is used, and what
does not fit is refused. What fits can still answer wrongly: load what comes from a registry you trust. `format_version` is raised whenever a reader of one would misread the other; older formats
that can be read are listed in `READABLE`, and answer as they did.
"""

import json
import re
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.text.packed import PackedTexts
from prodclf_assets.classifier.bundle_hash import MANIFEST, bundle_hash
from prodclf_assets.classifier.calibration.calibrator import Calibrator
from prodclf_assets.classifier.calibration.holds import NOTHING_HELD, Holds
from prodclf_assets.classifier.calibration.thresholds import (
    ABSTAIN,
    AUTO,
    DECISIONS,
    NEVER,
    REVIEW,
    Thresholds,
)
from prodclf_assets.classifier.kernels import available_cores, kernel
from prodclf_assets.classifier.predictions import Predictions
from prodclf_assets.classifier.ranking.encoder import Encoder
from prodclf_assets.classifier.ranking.encoder_arrays import LARGEST
from prodclf_assets.classifier.ranking.ranker import Ranker
from prodclf_assets.classifier.retrieval.retriever import SHARPNESS, SVM
from prodclf_assets.classifier.squash import softmax
from prodclf_assets.errors import BundleError
from prodclf_assets.lake import sha256_of

FORMAT_VERSION: Final = 5
READABLE: Final = (4, FORMAT_VERSION)
"""Format 4 has neither branches nor neighbours among its scorers, and calls its metrics those of validation products."""
_LETTER = re.compile(r"[^\W\d_]")
_DECISIONS: Final = np.array(DECISIONS, object)
_SUFFIXES = (".json", ".npy", ".txt")


class Manifest(BaseModel):
    """What a bundle is and where it comes from.

    Attributes:
        format_version: of the files' layout.
        files: SHA-256 (hex) of every other file, by name.
        labels: how many categories it can answer.
        data_hash: content hash of the rows it was trained and calibrated on.
        git_commit: of the code that trained it, where known.
        created_at: ISO 8601, UTC.
        metrics: of answers to its training products by parts of it that had not seen them.
        thresholds: least confidence of `auto`: common, per category, per branch; least confidence and familiarity for an answer.
        training: every parameter of the training.
        profile: how training inputs and answers were distributed, for drift measures.
        measured: version of the model of the same parameters that was measured in its place, on products that only this one
            has learnt from; None for one that was measured itself.
        library_versions: of what computed the numbers.
    """

    model_config = ConfigDict(frozen=True)

    format_version: Literal[4, 5] = FORMAT_VERSION
    files: dict[str, str]
    labels: int
    data_hash: str
    git_commit: str | None
    created_at: str
    metrics: dict[str, float]
    thresholds: dict[str, Any]
    training: dict[str, Any]
    profile: dict[str, Any]
    measured: str | None = None
    library_versions: dict[str, str]


@dataclass(frozen=True)
class Provenance:
    """What the manifest says beside the model itself; fields as in `Manifest`."""

    data_hash: str
    git_commit: str | None
    created_at: str
    metrics: dict[str, float]
    training: dict[str, Any]
    profile: dict[str, Any]
    measured: str | None = None


@dataclass(frozen=True)
class Bundle:
    """A trained model.

    Attributes:
        encoder: candidates and pair features.
        ranker: the booster.
        calibrator: from ranker scores to probabilities.
        thresholds: from probabilities to decisions.
        provenance: where it comes from.
        threads: how many one call of `predict` may use.
        holds: answers that are not `auto` however sure they are; not part of the folder.
    """

    encoder: Encoder
    ranker: Ranker
    calibrator: Calibrator
    thresholds: Thresholds
    provenance: Provenance
    threads: int = 1
    holds: Holds = NOTHING_HELD

    @cached_property
    def labels(self) -> list[str]:
        """Every category it can answer; the position is the label's code."""
        return list(self.encoder.tree.paths)

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest, of a bundle that was saved or loaded.

        Raises:
            BundleError: the bundle is only in memory, so it has no files to speak of.
        """
        raise BundleError("a bundle has a manifest once it is saved; call Bundle.save first")

    @cached_property
    def version(self) -> str:
        """First 12 hex digits of the hash over all files' hashes: equal for equal models."""
        return bundle_hash(self.manifest.files)[:12]

    def with_holds(self, holds: Holds) -> Self:
        """The same model, with these answers held for review."""
        held = replace(self, holds=holds)
        # What a cached property holds: the files are the same.
        held.__dict__.update(
            {name: self.__dict__[name] for name in ("manifest", "labels") if name in self.__dict__}
        )
        return held

    def predict(self, products: ProductBatch, top_k: int = 5) -> Predictions:
        """Answer products: the one way anything is ever predicted.

        Args:
            products: n products.
            top_k: how many of the likeliest categories to list for each, at most the candidates considered.
        """
        return self._answers(products, *self._ranked(products), top_k)

    def predict_without_ranker(self, products: ProductBatch, top_k: int = 5) -> Predictions:
        """Answer by the retriever's SVM alone, for when the ranker cannot.

        The probabilities are the softmax of its scores, which nobody has calibrated. So nothing is `auto` and no branch
        is sure: no precision was measured that could be promised.

        Args:
            products: n products.
            top_k: how many of the likeliest categories to list for each, at most the candidates considered.
        """
        rows = self.encoder.vocabulary.transform(products, self.threads)
        found = self.encoder.retriever.retrieve(rows, self.threads)
        scores = found.scores[:, :, SVM].astype(np.float64)
        ranked = _likeliest_first(found.labels, softmax(SHARPNESS[SVM] * scores))
        cautious = replace(self, thresholds=replace(self.thresholds, common=NEVER, own={}, branch=NEVER))
        return cautious._answers(products, *ranked, rows.familiarity, top_k)

    def _answers(
        self,
        products: ProductBatch,
        labels: npt.NDArray[np.int32],
        probabilities: npt.NDArray[np.float64],
        familiarity: npt.NDArray[np.float32],
        top_k: int,
    ) -> Predictions:
        """Answers from candidates that are in order."""
        n, k = labels.shape
        keep = min(top_k, k)
        tree = self.encoder.tree
        best = labels[:, 0] if k else np.full(n, -1, np.int32)
        confidence = probabilities[:, 0] if k else np.zeros(n)
        decision = self.thresholds.decide(best, confidence, familiarity)
        titles = products.packed["title"]
        silent = titles.blank
        # Digits alone look familiar, and say as little as nothing.
        decision[~_has_letter(titles)] = ABSTAIN
        top_labels, top_probabilities = labels[:, :keep].copy(), probabilities[:, :keep].copy()
        top_labels[silent], top_probabilities[silent] = -1, 0.0
        category = tree.path_or_nothing[np.where(silent, -1, best)]
        if self.holds:
            decision[(decision == AUTO) & self.holds.cover(category.tolist(), products.seller_id)] = REVIEW
        return Predictions(
            category.tolist(),
            np.where(silent, 0.0, confidence),
            _DECISIONS[decision].tolist(),
            self._branches(category, decision, labels, probabilities).tolist(),
            top_labels,
            top_probabilities,
            np.where(silent, 0.0, familiarity.astype(np.float64)),
        )

    def rank(self, products: ProductBatch) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """All candidates of each product, the likeliest first: label codes int32[n, k], probabilities float64[n, k]."""
        labels, probabilities, _ = self._ranked(products)
        return labels, probabilities

    def _ranked(
        self, products: ProductBatch
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64], npt.NDArray[np.float32]]:
        """What `rank` gives, and the familiarity of each product."""
        pairs = self.encoder.encode(products, self.threads)
        scores = self.ranker.probabilities(pairs, self.threads)
        probabilities = self.calibrator.apply(scores, pairs.candidates)
        return (*_likeliest_first(pairs.candidates, probabilities), pairs.familiarity)

    def _branches(
        self,
        category: npt.NDArray[np.object_],
        decision: npt.NDArray[np.int8],
        labels: npt.NDArray[np.int32],
        probabilities: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.object_]:
        """object[n] of str: the deepest part of each category that is sure enough; "" for none."""
        tree = self.encoder.tree
        found = np.where(decision == AUTO, category, "")
        unsure = np.flatnonzero(decision == REVIEW)
        if len(unsure) and tree.lineage.shape[1]:
            sure = tree.branch_probabilities(labels[unsure], probabilities[unsure]) >= self.thresholds.branch
            some = sure.any(axis=1)
            above = tree.lineage[labels[unsure[some], 0], sure[some].argmax(axis=1)]
            found[unsure[some]] = np.array(tree.branches, object)[above]
        return found

    def save(self, folder: Path) -> Manifest:
        """Write the bundle into a folder that is empty or absent; the manifest is written last."""
        folder.mkdir(parents=True, exist_ok=True)
        self.encoder.save(folder)
        self.ranker.save(folder)
        decision = {"calibrator": asdict(self.calibrator), "thresholds": _thresholds_to_json(self.thresholds)}
        (folder / "decision.json").write_text(json.dumps(decision, indent=1, sort_keys=True), "utf-8")
        manifest = self._described(
            {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
        )
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1), "utf-8")
        self.__dict__["manifest"] = manifest  # what a cached property holds, set as soon as it is known
        return manifest

    def _described(self, files: dict[str, str]) -> Manifest:
        paths = self.encoder.tree.paths
        own = {paths[code]: threshold for code, threshold in sorted(self.thresholds.own.items())}
        return Manifest(
            files=files,
            labels=len(paths),
            thresholds={**asdict(replace(self.thresholds, own={})), "own": own},
            library_versions=library_versions(),
            **asdict(self.provenance),
        )

    @classmethod
    def load(cls, folder: Path, threads: int | None = None) -> Self:
        """Read a bundle, checking every hash.

        Args:
            folder: what `save` wrote.
            threads: how many one call of `predict` may use; all cores of this process when None.

        Raises:
            BundleError: the folder is no bundle, a file is missing, altered or unlisted, or the format is another.
        """
        manifest = read_manifest(folder)
        _verify(folder, manifest.files)
        try:
            decision = json.loads((folder / "decision.json").read_text("utf-8"))
            encoder = Encoder.load(folder)
            bundle = cls(
                encoder,
                Ranker.load(folder),
                _calibrator_from_json(decision["calibrator"], len(encoder.tree)),
                _thresholds_from_json(decision["thresholds"], len(encoder.tree)),
                Provenance(**{key: getattr(manifest, key) for key in Provenance.__dataclass_fields__}),
                available_cores() if threads is None else threads,
            )
        except Exception as error:  # nobody knows all that parsers raise for what was made to mislead them
            raise BundleError(
                f"bundle {folder}: its files do not fit together ({str(error) or type(error).__name__}); "
                "train the model again"
            ) from error
        bundle.__dict__["manifest"] = manifest
        return bundle


def library_versions() -> dict[str, str]:
    """Versions of what computes the numbers of a model, by name."""
    return {name: installed_version(name) for name in ("prodclf", "lightgbm", "numpy", "numba", "scipy")}


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle's folder, without reading the model.

    Raises:
        BundleError: the folder has none, or one of another format.
    """
    try:
        content = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(
            f"bundle {folder}: {MANIFEST} cannot be read ({error}); is this a model folder?"
        ) from error
    found = content.get("format_version") if isinstance(content, dict) else None
    if found not in READABLE:
        raise BundleError(
            f"bundle {folder}: format version {found!r}, but this prodclf reads versions {READABLE[0]} to "
            f"{FORMAT_VERSION}; train the model again or install the version that wrote it"
        )
    if found == 4 and isinstance(content.get("metrics"), dict):
        content["metrics"] = {
            name.replace("validation_", "out_of_fold_"): value for name, value in content["metrics"].items()
        }
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise BundleError(
            f"bundle {folder}: field {where} of {MANIFEST} is malformed; train the model again"
        ) from error


def _likeliest_first(
    labels: npt.NDArray[np.int32], probabilities: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return np.take_along_axis(labels, order, axis=1), np.take_along_axis(probabilities, order, axis=1)


def _has_letter(titles: PackedTexts) -> npt.NDArray[np.bool_]:
    """bool[n]: which titles have a letter, of whatever script."""
    found = np.zeros(len(titles), np.bool_)
    _find_ascii_letters(titles.data, titles.bounds, found)
    if found.all():
        return found
    # Among what remains is all that is written in another script; what is empty needs no look.
    for row in np.flatnonzero(~found & ~titles.blank).tolist():
        found[row] = _LETTER.search(titles[row]) is not None
    return found


@kernel
def _find_ascii_letters(data, bounds, found):  # type: ignore[no-untyped-def]
    """Set `found` (bool[n]) for each packed text that has a letter of A to Z."""
    for row in range(len(found)):
        for i in range(bounds[row], bounds[row + 1]):
            letter = data[i] | 0x20
            if 97 <= letter <= 122:
                found[row] = True
                break


def _verify(folder: Path, files: dict[str, str]) -> None:
    """Refuse a folder of which a file that may be read is missing, altered, or without a hash."""
    present = {path.name for path in folder.iterdir() if path.is_file()}
    for name, expected in files.items():
        if name not in present:
            raise BundleError(f"bundle {folder}: {name} is missing; fetch or train the model again")
        if sha256_of(folder / name) != expected:
            raise BundleError(
                f"bundle {folder}: {name} differs from its SHA-256 in {MANIFEST}; fetch or train the model again"
            )
    for path in sorted(folder.iterdir()):
        if path.suffix in _SUFFIXES and path.name not in files and path.name != MANIFEST:
            raise BundleError(
                f"bundle {folder}: {path.name} has no SHA-256 in {MANIFEST}; fetch or train the model again"
            )


def _calibrator_from_json(content: dict[str, Any], labels: int) -> Calibrator:
    by_label = tuple(map(_known, content.get("by_label", ())))
    if len(by_label) not in (0, labels):
        raise ValueError(f"decision.json has offsets of {len(by_label)} labels, not of {labels}")
    single = {name: _known(value) for name, value in content.items() if name != "by_label"}
    return Calibrator(**single, by_label=by_label)


def _known(value: Any) -> float:
    if not isinstance(value, int | float) or not abs(value) <= LARGEST:
        raise ValueError(f"decision.json has {value!r} for a number")
    return float(value)


def _thresholds_to_json(thresholds: Thresholds) -> dict[str, Any]:
    return {**asdict(thresholds), "own": sorted(thresholds.own.items())}


def _thresholds_from_json(content: dict[str, Any], labels: int) -> Thresholds:
    own = {int(code): _known(threshold) for code, threshold in content["own"]}
    if own and not 0 <= min(own) <= max(own) < labels:
        raise ValueError(f"decision.json has thresholds of other labels than the {labels} there are")
    return Thresholds(**{name: _known(value) for name, value in content.items() if name != "own"}, own=own)
