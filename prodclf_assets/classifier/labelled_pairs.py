"""Pairs of products whose label is known: what the re-ranker learns from and is measured on."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.encoder import Pairs
from prodclf_assets.classifier.pair_features import FEATURES


@dataclass(frozen=True)
class LabelledPairs:
    """Pairs of products whose label is known.

    Attributes:
        pairs: the products' candidates and features.
        labels: int32[n], the true label's code, -1 for one the model cannot answer.
    """

    pairs: Pairs
    labels: npt.NDArray[np.int32]

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """bool[n, k]: the ranked candidate that is the true label, if there is one."""
        found: npt.NDArray[np.bool_] = (
            self.pairs.candidates == self.labels[:, None]
        ) & self.pairs.has_features
        return found

    @property
    def answerable(self) -> int:
        """How many products have their true label among the ranked candidates."""
        return int(self.right.sum())

    def take(self, rows: npt.NDArray[np.int64]) -> "LabelledPairs":
        """Some of the products, by position."""
        return LabelledPairs(self.pairs.take(rows), self.labels[rows])

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of everything in it."""
        digest = hashlib.sha256(str(self.pairs.candidates.shape).encode())
        for array in (self.pairs.candidates, self.pairs.features, self.pairs.familiarity, self.labels):
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
        labels, familiarity = (table.column(name).to_numpy()[::k].copy() for name in ("label", "familiarity"))
        counts = ranked.reshape(-1, k).sum(axis=1).astype(np.int32)
        return cls(Pairs(candidates, counts, features, familiarity), labels)
