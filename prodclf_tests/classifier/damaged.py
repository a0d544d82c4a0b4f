"""Loads bundles made to mislead, in a process of its own: what the compiled kernels are led astray by ends it.

`python -m prodclf_tests.classifier.damaged FOLDER SCRATCH` says for each damage, as JSON: refused, with what message; or
answered. A bundle that is neither is an error.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.bundle import MANIFEST, Bundle
from prodclf_assets.errors import BundleError
from prodclf_assets.lake import sha256_of
from prodclf_tests.classifier.shop import products

ASKED = products(
    ["frying pan with a lid", "red cotton shirt", "pan", "", "notebook lined a5"],
    brand=["Acme", "", "Acme", "", "Leaf"],
    description=["a frying pan", "", "", "x", "a notebook"],
)


def damages(array: npt.NDArray[Any]) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """What may be wrong with an array, by name."""
    yield "empty", array[:0]
    yield "cut short", array[:-1]
    yield "too long", np.concatenate([array, array[-1:]])
    yield "a level more", array[..., None]
    yield "one number", array.ravel()[:1].reshape(())
    yield "another dtype", array.astype(np.float64 if array.dtype.kind == "f" else np.int16)
    yield "other bytes first", array.astype(array.dtype.newbyteorder())
    yield "in reverse", np.ascontiguousarray(array[::-1])
    yield "by column", np.asfortranarray(array)
    whole = array.dtype.kind != "f"
    for value in (-1, 0, np.iinfo(array.dtype).max) if whole else (0, np.nan, np.finfo(array.dtype).max):
        wrong = np.array(value).astype(array.dtype)
        yield f"all {value}", np.full_like(array, wrong)
        changed = array.copy()
        changed.reshape(-1)[-1:] = wrong
        yield f"{value} at the end", changed


def load_damaged(folder: Path, scratch: Path) -> dict[str, str | None]:
    """What loading the bundle says with each array in turn damaged in each way; None where it was loaded, and answered."""
    said: dict[str, str | None] = {}
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    for path in folder.iterdir():
        (scratch / path.name).hardlink_to(path)
    # The tables of all keys are alike.
    paths = [path for path in folder.glob("*.npy") if not path.name.startswith("affinity_")]
    for path in sorted([*paths, *folder.glob("affinity_brand_[!p]*.npy")]):
        for damage, array in damages(np.load(path)):
            (scratch / path.name).unlink()
            (scratch / MANIFEST).unlink()
            np.save(scratch / path.name, array)
            files = {**manifest["files"], path.name: sha256_of(scratch / path.name)}
            (scratch / MANIFEST).write_text(json.dumps({**manifest, "files": files}), "utf-8")
            print(path.stem, damage, file=sys.stderr, flush=True)  # the last line is what ended the process
            said[f"{path.stem}: {damage}"] = None
            try:
                bundle = Bundle.load(scratch, threads=1)
            except BundleError as error:
                said[f"{path.stem}: {damage}"] = str(error)
            else:
                assert np.isfinite(bundle.predict(ASKED).confidence).all()
                bundle.predict_without_ranker(ASKED)
        (scratch / path.name).unlink()
        (scratch / path.name).hardlink_to(path)
    return said


if __name__ == "__main__":
    print(json.dumps(load_damaged(Path(sys.argv[1]), Path(sys.argv[2]))))
