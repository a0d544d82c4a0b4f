# mypy: allow-untyped-defs
"""A LightGBM booster read from its text and evaluated by a compiled kernel.

Answers need neither LightGBM in the process (150 MB and a second and a half to import) nor its threads. The method is
QuickScorer (Lucchese et al. 2015): leaves of a tree are bits from left to right, and a split that goes right rules out
the leaves on its left. Splits are kept by column with ascending thresholds, so a row only meets those that go right, in
the order of memory; the lowest bit left in each tree is the leaf. Sums are those of LightGBM to the last digit: float64
leaves in the order of the trees, and thresholds rounded down to the float32 that parts float32 features alike.
"""

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.kernels import bits_set, kernel, map_blocks, unsigned

MOST_LEAVES = 64
"""Leaves of one tree: the bits of a word."""
_BY_CATEGORY, _DEFAULT_LEFT, _MISSING_ZERO, _MISSING_NAN = 1, 2, 4, 8
_SPLIT = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child")


@dataclass(frozen=True)
class Forest:
    """Trees of numerical splits.

    Attributes:
        text: the booster as LightGBM writes it.
        columns: int64[features + 1], where the splits of each column begin.
        threshold: float32[splits], ascending within a column; what is above goes right.
        nan_right: bool[splits], whether a missing value goes right.
        tree: int32[splits].
        kept: uint64[splits], the leaves that going right leaves possible.
        gain: float64[splits], what the split gained in training.
        first_leaf: int32[trees].
        leaves: float64[leaves], each tree's from left to right.
    """

    text: str
    columns: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float32]
    nan_right: npt.NDArray[np.bool_]
    tree: npt.NDArray[np.int32]
    kept: npt.NDArray[np.uint64]
    gain: npt.NDArray[np.float64]
    first_leaf: npt.NDArray[np.int32]
    leaves: npt.NDArray[np.float64]

    @classmethod
    def parse(cls, text: str) -> "Forest":
        """Read a booster's text.

        Raises:
            ValueError: the text is no booster of one output whose trees have numerical splits and at most 64 leaves.
        """
        header, *blocks = re.split(r"^Tree=\d+\n", text, flags=re.MULTILINE)
        width = int(_field(header, "max_feature_idx")) + 1
        if not blocks or _field(header, "num_tree_per_iteration") != "1":
            raise ValueError("a booster of one output is needed")
        trees = [_Tree.parse(block) for block in blocks]
        feature = np.concatenate([tree.split["split_feature"] for tree in trees]).astype(np.int64)
        if ((feature < 0) | (feature >= width)).any():
            raise ValueError("a booster's tree splits by a column that is not there")
        threshold = np.concatenate([tree.split["threshold"] for tree in trees])
        kind = np.concatenate([tree.split["decision_type"] for tree in trees]).astype(np.int64)
        order = np.lexsort((threshold, feature))
        sizes = [len(tree.leaves) for tree in trees]
        return cls(
            text,
            np.searchsorted(feature[order], np.arange(width + 1)),
            _float32_at_most(threshold[order]),
            np.where(kind & _MISSING_NAN, (kind & _DEFAULT_LEFT) == 0, threshold < 0)[order],
            np.repeat(np.arange(len(trees), dtype=np.int32), [size - 1 for size in sizes])[order],
            np.concatenate([tree.kept for tree in trees])[order],
            np.concatenate([tree.split["split_gain"] for tree in trees])[order],
            np.cumsum([0, *sizes[:-1]]).astype(np.int32),
            np.concatenate([tree.leaves for tree in trees]),
        )

    @property
    def features(self) -> int:
        """How many columns a row has."""
        return len(self.columns) - 1

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns; fewer or more than there are columns in a text that does not fit together."""
        return tuple(_field(self.text.partition("\nTree=0\n")[0], "feature_names").split())

    def sums(self, rows: npt.NDArray[np.float32], threads: int = 1) -> npt.NDArray[np.float64]:
        """float64[n]: the summed leaves of each row.

        Args:
            rows: float32[n, features].
            threads: how many may run at once.
        """

        def work(start: int, stop: int) -> npt.NDArray[np.float64]:
            out: npt.NDArray[np.float64] = _sums(
                rows[start:stop], self.columns, self.threshold, self.nan_right, self.tree, self.kept,
                self.first_leaf, self.leaves,
            )  # fmt: skip
            return out

        return np.concatenate([np.empty(0), *map_blocks(work, len(rows), threads, block=8192)])

    def importance(self) -> npt.NDArray[np.float64]:
        """float64[features]: share of the total gain of each column; zeros when nothing was split."""
        column = np.repeat(np.arange(self.features), np.diff(self.columns))
        gain = np.bincount(column, self.gain, self.features)
        share: npt.NDArray[np.float64] = gain / max(1e-9, float(gain.sum()))
        return share


@dataclass(frozen=True)
class _Tree:
    """One tree: its splits as they are written, the leaves each leaves possible, leaves from left to right."""

    split: dict[str, npt.NDArray[np.float64]]
    kept: npt.NDArray[np.uint64]
    leaves: npt.NDArray[np.float64]

    @classmethod
    def parse(cls, text: str) -> "_Tree":
        leaves = np.array(_field(text, "leaf_value").split(), np.float64)
        # A tree that found nothing to split has empty lines, or none.
        split = {
            name: np.array(_field(text, name).split() if len(leaves) > 1 else [], np.float64)
            for name in _SPLIT
        }
        kind = split["decision_type"].astype(np.int64)
        if not 1 <= len(leaves) <= MOST_LEAVES or {len(column) for column in split.values()} != {
            len(leaves) - 1
        }:
            raise ValueError(f"a booster's tree is cut short or has more than {MOST_LEAVES} leaves")
        if not np.isfinite(leaves).all():
            raise ValueError("a booster's tree answers what is no number")
        if (kind & (_BY_CATEGORY | _MISSING_ZERO)).any():
            raise ValueError("a booster's tree splits by category or takes zero for missing")
        children = np.stack([split["left_child"], split["right_child"]], axis=1).astype(np.int64).tolist()
        kept, order = _from_left_to_right(children)
        return cls(split, kept, leaves[order])


def _from_left_to_right(children: list[list[int]]) -> tuple[npt.NDArray[np.uint64], list[int]]:
    """The leaves that going right leaves possible at each split, as bits, and the order of the leaves.

    Raises:
        ValueError: a child is not there, or is reached twice.
    """
    kept = np.zeros(len(children), np.uint64)
    order: list[int] = []
    reached: set[int] = set()

    def walk(node: int) -> None:
        if node in reached or not -len(children) - 1 <= node < len(children):
            raise ValueError("a booster's tree points outside itself")
        reached.add(node)
        if node < 0:
            order.append(~node)
            return
        before = len(order)
        walk(children[node][0])
        ruled_out = (1 << len(order)) - (1 << before)
        kept[node] = ~ruled_out & ((1 << MOST_LEAVES) - 1)
        walk(children[node][1])

    walk(0 if children else -1)
    if len(order) != len(children) + 1:
        raise ValueError("a booster's tree points outside itself")
    return kept, order


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}=(.*)$", text, flags=re.MULTILINE)
    if found is None:
        raise ValueError(f"a booster's text has no {name}")
    return found[1]


def _float32_at_most(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest float32 that is not above each value."""
    near = values.astype(np.float32)
    lower: npt.NDArray[np.float32] = np.where(
        near.astype(np.float64) > values, np.nextafter(near, np.float32(-np.inf)), near
    )
    return lower


@kernel
def _sums(rows, columns, threshold, nan_right, tree, kept, first_leaf, leaves):
    """float64[n]: see the module."""
    n = len(rows)
    out = np.zeros(n, np.float64)
    possible = np.empty(len(first_leaf), np.uint64)
    for row in range(n):
        possible[:] = ~np.uint64(0)
        for column in range(len(columns) - 1):
            value = rows[row, column]
            splits = range(unsigned(columns[column]), unsigned(columns[column + 1]))
            if value != value:
                for i in splits:
                    if nan_right[i]:
                        possible[unsigned(tree[i])] &= kept[i]
                continue
            for i in splits:
                if value <= threshold[i]:
                    break
                possible[unsigned(tree[i])] &= kept[i]
        total = 0.0
        for t in range(len(first_leaf)):
            total += leaves[unsigned(first_leaf[t]) + _lowest_bit(possible[t])]
        out[row] = total
    return out


@kernel
def _lowest_bit(word):
    """Position of the lowest set bit: the number of bits below it."""
    below = (word & (~word + np.uint64(1))) - np.uint64(1)
    return bits_set(below)
