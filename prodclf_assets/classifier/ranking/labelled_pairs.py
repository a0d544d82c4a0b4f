"""Pairs of products whose label is known: what the re-ranker learns from and is measured on."""

import hashlib
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.label_sets import LabelSets, joined
from prodclf_assets.classifier.ranking.encoder import Pairs
from prodclf_assets.classifier.ranking.pair_features import FEATURES


def groups_of(titles: list[str]) -> npt.NDArray[np.uint32]:
    """uint32[n]: a hash of each title (CRC-32), by which products of one title are kept in one fold."""
    return np.array([zlib.crc32(title.encode("utf-8", "surrogatepass")) for title in titles], np.uint32)


@dataclass(frozen=True)
class LabelledPairs:
    """Pairs of products whose label is known.

    Attributes:
        pairs: the products' candidates and features.
        truth: their categories.
        groups: uint32[n], of the products' titles, see `groups_of`.
    """

    pairs: Pairs
    truth: LabelSets
    groups: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """int32[n]: the category of the row itself, -1 for one the model cannot answer."""
        return self.truth.own

    @cached_property
    def hits(self) -> npt.NDArray[np.bool_]:
        """bool[n, k]: the candidates that are right, ranked or not."""
        return self.truth.contain(self.pairs.candidates)

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """bool[n, k]: the ranked candidates that are right."""
        found: npt.NDArray[np.bool_] = self.hits & self.pairs.has_features
        return found

    @property
    def answerable(self) -> int:
        """How many products have a right label among the ranked candidates."""
        return int(self.right.any(axis=1).sum())

    def take(self, rows: npt.NDArray[np.int64]) -> "LabelledPairs":
        """Some of the products, by position."""
        return LabelledPairs(self.pairs.take(rows), self.truth.take(rows), self.groups[rows])

    @classmethod
    def joined(cls, parts: "list[LabelledPairs]") -> "LabelledPairs":
        """The products of all parts, one part after the other."""
        return cls(
            Pairs.joined([part.pairs for part in parts]),
            joined([part.truth for part in parts]),
            np.concatenate([part.groups for part in parts]),
        )

    def folds(self, count: int) -> npt.NDArray[np.uint32]:
        """uint32[n]: the fold of each product, of `count`; not of the retrievers' folds, which other bits decide."""
        found: npt.NDArray[np.uint32] = (self.groups >> np.uint32(16)) % np.uint32(count)
        return found

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of everything in it."""
        digest = hashlib.sha256(str(self.pairs.candidates.shape).encode())
        pairs, truth = self.pairs, self.truth
        arrays = (pairs.candidates, pairs.features, pairs.familiarity, *vars(truth).values())
        for array in (*arrays, self.groups):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write as Parquet: one row per product and candidate."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        n, k = self.pairs.candidates.shape
        features = np.full((n * k, len(FEATURES)), np.nan, np.float32)
        features[self.pairs.has_features.ravel()] = self.pairs.features
        columns: dict[str, Any] = {
            "product": np.repeat(np.arange(n, dtype=np.int32), k),
            "candidate": self.pairs.candidates.ravel(),
            "ranked": self.pairs.has_features.ravel(),
            "label": np.repeat(self.labels, k),
            "labels": _once_a_product(self.truth, k, self.truth.codes),
            "taught": _once_a_product(self.truth, k, self.truth.taught),
            "group": np.repeat(self.groups, k),
            "familiarity": np.repeat(self.pairs.familiarity, k),
        }
        columns |= {name: np.ascontiguousarray(features[:, i]) for i, name in enumerate(FEATURES)}
        table = pa.table(columns).replace_schema_metadata({"candidates_per_product": str(k)})
        pq.write_table(table, path, compression="zstd")

    @classmethod
    def load(cls, path: Path) -> "LabelledPairs":
        """Read what `save` wrote."""
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        k = int(table.schema.metadata[b"candidates_per_product"])
        ranked = table.column("ranked").to_numpy(zero_copy_only=False)
        features = np.empty((int(ranked.sum()), len(FEATURES)), np.float32)
        for i, name in enumerate(FEATURES):
            features[:, i] = table.column(name).to_numpy()[ranked]
        candidates = table.column("candidate").to_numpy().reshape(-1, k)
        own, groups, familiarity = (
            table.column(name).to_numpy()[::k].copy() for name in ("label", "group", "familiarity")
        )
        counts = ranked.reshape(-1, k).sum(axis=1).astype(np.int32)
        sets, taught = (table.column(name).combine_chunks() for name in ("labels", "taught"))
        truth = LabelSets(
            own,
            sets.offsets.to_numpy()[::k].astype(np.int64),
            sets.values.to_numpy(),
            taught.values.to_numpy(zero_copy_only=False),
        )
        return cls(Pairs(candidates, counts, features, familiarity), truth, groups)


def _once_a_product(truth: LabelSets, k: int, values: npt.NDArray[Any]) -> Any:
    """What belongs to `truth.codes`, as Arrow lists, in the first of each product's k rows; the others have empty lists."""
    import pyarrow as pa

    ends = np.repeat(truth.indptr[1:], k).astype(np.int32)
    return pa.ListArray.from_arrays(np.append(np.int32(0), ends), values)
