"""The labels of a model: category paths, and which of them share a branch."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.columns import PATH_SEPARATOR


@dataclass(frozen=True)
class LabelTree:
    """The categories a model can answer.

    Attributes:
        paths: every label as a path joined with ` > `, in ascending order; its position is the label's code.
    """

    paths: tuple[str, ...]

    @classmethod
    def of(cls, categories: list[str]) -> "LabelTree":
        """The tree of all distinct categories given."""
        return cls(tuple(sorted(set(categories))))

    def __len__(self) -> int:
        return len(self.paths)

    def encode(self, categories: list[str]) -> npt.NDArray[np.int32]:
        """int32[n]: the code of each category, -1 for one that is not in the tree."""
        return np.array([self._code.get(category, -1) for category in categories], np.int32)

    @cached_property
    def _code(self) -> dict[str, int]:
        return {path: code for code, path in enumerate(self.paths)}

    @cached_property
    def path_or_nothing(self) -> npt.NDArray[np.object_]:
        """object[labels + 1] of str: the path of each code, and "" at the end, which is code -1."""
        return np.array([*self.paths, ""], object)

    @cached_property
    def branches(self) -> tuple[str, ...]:
        """Every branch above a leaf, in ascending order (empty for a flat list of labels)."""
        return tuple(sorted({branch for path in self.paths for branch in ancestors(path)}))

    @cached_property
    def lineage(self) -> npt.NDArray[np.int32]:
        """int32[labels, levels]: positions in `branches` of what lies above each label, the nearest first; -1 beyond the top."""
        position = {branch: code for code, branch in enumerate(self.branches)}
        above = [[position[branch] for branch in ancestors(path)] for path in self.paths]
        table = np.full((len(above), max(map(len, above), default=0)), -1, np.int32)
        for code, branches in enumerate(above):
            table[code, : len(branches)] = branches
        return table

    @cached_property
    def as_branch(self) -> npt.NDArray[np.int32]:
        """int32[labels]: position in `branches` of a label that is itself a branch of others, else -2."""
        position = {branch: code for code, branch in enumerate(self.branches)}
        return np.array([position.get(path, -2) for path in self.paths], np.int32)

    def branch_probabilities(
        self, candidates: npt.NDArray[np.int32], probabilities: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """float64[n, levels]: summed probability of the candidates at or below each branch above the first candidate.

        Args:
            candidates: int32[n, k], label codes, the likeliest first.
            probabilities: float64[n, k].

        Returns:
            The branches in the order of `lineage`; 0 beyond the top.
        """
        found = np.zeros((len(candidates), self.lineage.shape[1]))
        for level in range(self.lineage.shape[1]):
            branch = self.lineage[candidates[:, 0], level][:, None]
            inside = (self.lineage[candidates] == branch[:, :, None]).any(axis=2)
            inside |= self.as_branch[candidates] == branch
            found[:, level] = np.where(branch[:, 0] >= 0, (probabilities * inside).sum(axis=1), 0.0)
        return found

    @cached_property
    def parent(self) -> npt.NDArray[np.int32]:
        """int32[labels]: a number shared by the labels of one parent."""
        return _numbered([parent_of(path) for path in self.paths])

    @cached_property
    def root(self) -> npt.NDArray[np.int32]:
        """int32[labels]: a number shared by the labels of one top category."""
        return _numbered([path.split(PATH_SEPARATOR, 1)[0] for path in self.paths])

    @cached_property
    def names(self) -> list[str]:
        """The last level of each path: what a person calls the category."""
        return [path.rsplit(PATH_SEPARATOR, 1)[-1] for path in self.paths]


def parent_of(path: str) -> str:
    """The path one level up; "" for a top category."""
    return path.rpartition(PATH_SEPARATOR)[0]


def ancestors(path: str) -> list[str]:
    """All paths above this one, the nearest first."""
    found = []
    while path := parent_of(path):
        found.append(path)
    return found


def _numbered(names: list[str]) -> npt.NDArray[np.int32]:
    return np.unique(names, return_inverse=True)[1].astype(np.int32)
