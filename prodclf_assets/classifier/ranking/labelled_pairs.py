"""Pairs of products whose label is known: what the re-ranker learns from and is measured on."""

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

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
        labels: int32[n], the true label's code, -1 for one the model cannot answer.
        groups: uint32[n], of the products' titles, see `groups_of`.
    """

    pairs: Pairs
    labels: npt.NDArray[np.int32]
    groups: npt.NDArray[np.uint32]

    @property
    def hits(self) -> npt.NDArray[np.bool_]:
        """bool[n, k]: the candidate that is the true label, if there is one, ranked or not."""
        found: npt.NDArray[np.bool_] = self.pairs.candidates == self.labels[:, None]
        return found

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """bool[n, k]: the ranked candidate that is the true label, if there is one."""
        found: npt.NDArray[np.bool_] = self.hits & self.pairs.has_features
        return found

    @property
    def answerable(self) -> int:
        """How many products have their true label among the ranked candidates."""
        return int(self.right.sum())

    def take(self, rows: npt.NDArray[np.int64]) -> "LabelledPairs":
        """Some of the products, by position."""
        return LabelledPairs(self.pairs.take(rows), self.labels[rows], self.groups[rows])

    def folds(self, count: int) -> npt.NDArray[np.uint32]:
        """uint32[n]: the fold of each product, of `count`; not of the retrievers' folds, which other bits decide."""
        found: npt.NDArray[np.uint32] = (self.groups >> np.uint32(16)) % np.uint32(count)
        return found

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of everything in it."""
        digest = hashlib.sha256(str(self.pairs.candidates.shape).encode())
        pairs = self.pairs
        for array in (pairs.candidates, pairs.features, pairs.familiarity, self.labels, self.groups):
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
        labels, groups, familiarity = (
            table.column(name).to_numpy()[::k].copy() for name in ("label", "group", "familiarity")
        )
        counts = ranked.reshape(-1, k).sum(axis=1).astype(np.int32)
        return cls(Pairs(candidates, counts, features, familiarity), labels, groups)
