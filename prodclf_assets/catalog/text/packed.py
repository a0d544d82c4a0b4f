"""Many texts in one buffer of UTF-8: what compiled code reads as it is, and Python as a sequence of `str`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import overload

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class PackedTexts(Sequence[str]):
    """n texts, one after the other.

    Attributes:
        data: uint8[bytes], UTF-8; a lone surrogate is written as if it were a character.
        bounds: int64[n + 1]; text i is `data[bounds[i]:bounds[i + 1]]`.
    """

    data: npt.NDArray[np.uint8]
    bounds: npt.NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "PackedTexts":
        """Pack texts; those that are packed already stay as they are."""
        if isinstance(texts, cls):
            return texts
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        bounds = np.array(list(accumulate(map(len, encoded), initial=0)), np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), bounds)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        return self._listed[place]

    def __eq__(self, other: object) -> bool:
        return self._listed == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def part(self, start: int, stop: int) -> "PackedTexts":
        """Return the texts from one position up to another, not copied."""
        return PackedTexts(self.data, self.bounds[start : stop + 1])

    @property
    def blank(self) -> npt.NDArray[np.bool_]:
        """bool[n]: which texts are empty."""
        empty: npt.NDArray[np.bool_] = np.diff(self.bounds) == 0
        return empty

    @cached_property
    def _listed(self) -> list[str]:
        first, last = int(self.bounds[0]), int(self.bounds[-1])
        whole, bounds = self.data[first:last].tobytes(), (self.bounds - first).tolist()
        return [whole[start:end].decode("utf-8", "surrogatepass") for start, end in pairwise(bounds)]
