"""The arrays of an encoder as files, and the check that they fit one another.

Compiled kernels follow the numbers in them without looking: one that points outside its array would bring the process
down. So each is held against the others once, when it is read, and what answers need not look again.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.ranking.pair_features import KEYS, NUMBERS
from prodclf_assets.classifier.retrieval.linear_scorers import ONE_PASS
from prodclf_assets.classifier.text_features import SLOT_BITS

Arrays = dict[str, npt.NDArray[Any]]
_Form = tuple[str, tuple[str | int, ...], str | int]

LARGEST: Final = 1e9
"""No number that is learnt comes near; beyond it sums would overflow."""
_ALWAYS: Final = "always"
_LATER: Final = ("prior", "branch", "neighbours_")
_AFFINITY: Final[dict[str, _Form]] = {
    "ids": ("uint32", ("ids of {}",), "hashes"),
    "indptr": ("int64", ("ids of {}+1",), "labels of {}"),
    "labels": ("int32", ("labels of {}",), "labels"),
    "counts": ("float32", ("labels of {}",), _ALWAYS),
}
_FORMS: Final[dict[str, _Form]] = {
    # Of each file the dtype, the shape, and what its values are: int64 where the parts of a list begin, and where the last
    # one ends, in the list of that length; int32 and uint32 numbers below that; float32 known always, or perhaps missing.
    "vocabulary_slots": ("uint32", ("features",), 1 << SLOT_BITS),
    "vocabulary_idf": ("float32", ("features",), _ALWAYS),
    "mass_bias": ("float32", ("labels", 2), _ALWAYS),
    "prior": ("float32", ("labels",), _ALWAYS),
    "svm_bias": ("float32", ("labels",), _ALWAYS),
    "label_counts": ("float32", ("labels",), _ALWAYS),
    "label_middle": ("float32", ("labels", len(NUMBERS)), "perhaps"),
    "label_spread": ("float32", ("labels", len(NUMBERS)), "perhaps"),
    "scorers_indptr": ("int64", ("features+1",), "scored"),
    "scorers_labels": ("int32", ("scored",), "labels"),
    "scorers_weights": ("float32", ("scored", len(ONE_PASS) + 1), _ALWAYS),
    "branch_of": ("int32", ("labels",), "branches or 1"),
    "branch_bias": ("float32", ("branches",), _ALWAYS),
    "branches_indptr": ("int64", ("features of branches+1",), "scored branches"),
    "branches_labels": ("int32", ("scored branches",), "branches"),
    "branches_weights": ("float32", ("scored branches", 1), _ALWAYS),
    "neighbours_indptr": ("int64", ("features+1",), "indexed"),
    "neighbours_products": ("int32", ("indexed",), "products"),
    "neighbours_values": ("float32", ("indexed",), _ALWAYS),
    "neighbours_label_indptr": ("int64", ("products+1",), "labels of products"),
    "neighbours_labels": ("int32", ("labels of products",), "labels"),
    **{
        f"affinity_{key}_{part}": (
            dtype,
            tuple(str(size).format(key) for size in shape),
            str(values).format(key),
        )
        for key in KEYS
        for part, (dtype, shape, values) in _AFFINITY.items()
    },
}


def write_arrays(folder: Path, arrays: Arrays) -> None:
    """Write each array into a file of its name."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def read_arrays(folder: Path, labels: int) -> Arrays:
    """Every array of an encoder of so many labels, by name; without the later scorers' where they were not known yet.

    Raises:
        ValueError: one is no array, or does not fit the others.
        OSError: one is missing or cannot be read.
    """
    all_known = (folder / "branch_of.npy").exists()
    arrays = {name: _read(folder, name) for name in _FORMS if all_known or not name.startswith(_LATER)}
    _check(arrays, labels)
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _read(folder: Path, name: str) -> npt.NDArray[Any]:
    with (folder / f"{name}.npy").open("rb") as file:  # `np.load` would take archives and pickles, too
        try:
            array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        except (
            Exception
        ) as error:  # a header made to mislead raises whatever Python's parser or memory has to say
            raise ValueError(f"{name}.npy is no array: {error or type(error).__name__}") from error
    return array


def _check(arrays: Arrays, labels: int) -> None:
    """Refuse arrays that do not fit; see `_FORMS`."""
    sizes: dict[str | int, int] = {"labels": labels, "hashes": 1 << 32}
    if "branch_bias" in arrays:
        branches, features = arrays["branch_bias"].size, arrays["vocabulary_slots"].size
        sizes |= {"branches or 1": max(branches, 1), "features of branches": features if branches else 0}
    for name, array in arrays.items():
        dtype, shape, _ = _FORMS[name]
        # A size that no array before had is what it is here.
        wanted = [
            size
            if isinstance(size, int)
            else sizes.setdefault(size.removesuffix("+1"), length - size.endswith("+1")) + size.endswith("+1")
            for size, length in zip(shape, array.shape, strict=False)
        ]
        if array.dtype != dtype or list(array.shape) != wanted or len(wanted) != len(shape):
            size = ", ".join(map(str, wanted)) if len(wanted) == len(shape) else "…"
            raise ValueError(
                f"{name}.npy is {array.dtype}{list(array.shape)}, and {dtype}[{size}] would fit the other files"
            )
    for name, array in arrays.items():
        dtype, _, values = _FORMS[name]
        if dtype == "int64":
            steps = np.diff(array)
            # A key is only there with labels; a label is but once in the list of a feature.
            least = int(name.startswith("affinity_"))
            most = labels if name.startswith("scorers_") else sizes[values]
            fits = len(array) and array[0] == 0 and array[-1] == sizes[values]
            fits = fits and least <= steps.min(initial=least) and steps.max(initial=0) <= most
        elif dtype == "float32":
            lower, upper = (np.minimum, np.maximum) if values == _ALWAYS else (np.fmin, np.fmax)
            fits = lower.reduce(array, None, initial=0) >= -LARGEST
            fits &= upper.reduce(array, None, initial=0) <= LARGEST
        else:
            fits = array.min(initial=0) >= 0 and array.max(initial=0) < sizes.get(values, values)
            fits |= not array.size
        if not fits:
            raise ValueError(f"{name}.npy has numbers that do not fit the other files")
