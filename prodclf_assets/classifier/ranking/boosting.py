"""LightGBM that can be cut off anywhere and goes on to the same bits.

LightGBM itself cannot take up where it was: its generators of samples begin anew with each booster, so one that goes on
from a half grown one (`init_model`) differs from one that never stopped. Here every block of rounds is a booster of its
own, with a seed of its own, that begins at the scores which the blocks before it gave; stopped or not.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.checkpoints import Checkpoints

Gradient = Callable[[npt.NDArray[np.float64]], tuple[npt.NDArray[Any], npt.NDArray[Any]]]
"""First and second derivative of the loss in each row's score."""


@dataclass(frozen=True)
class Grown:
    """A booster that is being trained.

    Attributes:
        blocks: the text of each block of its trees.
        scores: float64[rows], what they give the training rows.
    """

    blocks: tuple[str, ...]
    scores: npt.NDArray[np.float64]

    def save(self, folder: Path) -> None:
        """Write the texts and the scores, to the last bit."""
        (folder / "blocks.json").write_text(json.dumps(self.blocks), "utf-8")
        np.save(folder / "scores.npy", self.scores, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> "Grown":
        """Read what `save` wrote."""
        blocks = json.loads((folder / "blocks.json").read_text("utf-8"))
        return cls(tuple(blocks), np.load(folder / "scores.npy", allow_pickle=False))


def grow(
    features: npt.NDArray[np.float32],
    names: list[str],
    gradient: Gradient,
    parameters: Mapping[str, Any],
    *,
    rounds: int,
    block: int,
    checkpoints: Checkpoints,
) -> Iterator[Grown]:
    """Yield a booster after each block of rounds; where one is kept already, that one first.

    Args:
        features: float32[rows, columns].
        names: of the columns.
        gradient: of the loss.
        parameters: LightGBM's, with a `seed`.
        rounds: trees.
        block: rounds between two checkpoints.
        checkpoints: where the booster is kept after each block.
    """
    import lightgbm as lgb  # answering does without it

    grown = checkpoints.newest("booster", Grown) or Grown((), np.zeros(len(features)))
    if grown.blocks:
        yield grown
    chosen = {**parameters, "objective": "none"}
    data = lgb.Dataset(features, np.zeros(len(features), np.float32), feature_name=names, params=chosen)
    for start in range(len(grown.blocks) * block, rounds, block):
        data.set_init_score(grown.scores)
        booster = lgb.Booster({**chosen, "seed": parameters["seed"] + start}, data)
        for _ in range(min(block, rounds - start)):
            booster.update(fobj=lambda raw, _: gradient(raw))
        grown = Grown((*grown.blocks, booster.model_to_string()), _scores(booster))
        checkpoints.keep("booster", grown)
        yield grown


def _scores(booster: Any) -> npt.NDArray[np.float64]:
    """float64[rows]: what a booster gives the rows that it is trained on; it has them at hand."""
    found: list[npt.NDArray[np.float64]] = []

    def look(raw: npt.NDArray[np.float64], _: Any) -> tuple[str, float, bool]:
        found.append(raw.copy())
        return "", 0.0, True

    booster.eval_train(look)
    return found[0]


def joined(blocks: tuple[str, ...]) -> str:
    """One booster of the trees of several, in their order, as LightGBM writes it."""
    import lightgbm as lgb

    header = blocks[0].partition("\nTree=0\n")[0]
    trees = [tree for block in blocks for tree in re.findall(r"^Tree=\d+\n(.+?\n)\n\n", block, re.M | re.S)]
    numbered = "".join(f"Tree={number}\n{tree}\n\n" for number, tree in enumerate(trees))
    # Without the sizes of the trees, which LightGBM then finds out by itself.
    text = f"{re.sub(r'tree_sizes=.*', '', header)}\n{numbered}end of trees\n"
    written: str = lgb.Booster(model_str=text).model_to_string()
    return written
