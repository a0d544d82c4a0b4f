"""Whether categories that were shuffled on purpose are found: `python -m prodclf_tests.benchmarks.suspects`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import numpy as np
import numpy.typing as npt
import pandas as pd

from prodclf_assets.catalog.cleaning.cleaning import clean_products
from prodclf_assets.catalog.columns import LABEL_COLUMN
from prodclf_assets.catalog.sample.generator import sample_catalogue
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.classifier.kernels import available_cores
from prodclf_assets.classifier.ranking.ranker import RankerConfig
from prodclf_assets.classifier.training.out_of_fold import out_of_fold_probabilities
from prodclf_assets.classifier.training.training import TrainingConfig, fit_features
from prodclf_assets.defs.assets.common import git_commit
from prodclf_assets.monitoring.review.suspects import LabelOdds
from prodclf_tests.benchmarks.command import data_option, publish, say, table, tasks_argument, write_option
from prodclf_tests.benchmarks.tasks import TASKS, Rows, load_task, split_rows

SAMPLE: Final = "sample"
MUST_FIND: Final = 0.7


@dataclass(frozen=True)
class Found:
    """What became of shuffled categories.

    Attributes:
        task: shop and depth.
        labels, listings: categories and training products.
        shuffled: products that got another's category.
        in_first_tenth: share of them in the first tenth of the ranking of all products.
        suspect: share of all products that are suspects.
        among_suspects: share of the shuffled that are suspects.
        precision: share of suspects that were shuffled; the catalogue's own wrong categories count as none.
        put_right: share of the shuffled for which the right category is suggested.
        natural: share of suspects in the catalogue as it is.
    """

    task: str
    labels: int
    listings: int
    shuffled: int
    in_first_tenth: float
    suspect: float
    among_suspects: float
    precision: float
    put_right: float
    natural: float


def shuffle_some(labels: pd.Series, share: float, seed: int) -> tuple[pd.Series, npt.NDArray[np.bool_]]:
    """Deal the categories of a share of the products, drawn at random, to one another.

    Returns:
        The labels, and which of them are others than before.
    """
    drawn = np.random.default_rng(seed)
    before = labels.to_numpy(object)
    after = before.copy()
    chosen = drawn.choice(len(before), round(share * len(before)), replace=False)
    after[chosen] = before[drawn.permutation(chosen)]
    return pd.Series(pd.array(after, dtype=TEXT_DTYPE), labels.index), after != before


def measure(rows: Rows, share: float, seed: int) -> Found:
    """Shuffle, train, rank, and count; everything on the training side."""
    truth = rows.train[LABEL_COLUMN].to_numpy(object)
    labels, wrong = shuffle_some(rows.train[LABEL_COLUMN], share, seed)
    odds, paths = _odds(rows, labels)
    tenth = odds.order[: len(wrong) // 10]
    suspect = odds.contradicted
    suggested = np.array([*paths, ""], object)[odds.other]
    natural, _ = _odds(rows, rows.train[LABEL_COLUMN])
    return Found(
        rows.task,
        rows.labels,
        len(wrong),
        int(wrong.sum()),
        float(wrong[tenth].sum() / wrong.sum()),
        float(suspect.mean()),
        float(wrong[suspect].sum() / wrong.sum()),
        float(wrong[suspect].mean()),
        float((suggested == truth)[wrong].mean()),
        float(natural.contradicted.mean()),
    )


def _odds(rows: Rows, labels: pd.Series) -> tuple[LabelOdds, tuple[str, ...]]:
    train, threads = rows.train.assign(**{LABEL_COLUMN: labels}), available_cores()
    features = fit_features(train, rows.validation, TrainingConfig(), threads)
    probabilities = out_of_fold_probabilities(features.train, RankerConfig(), threads)
    pairs = features.train
    return LabelOdds.of(pairs.pairs.candidates, probabilities, pairs.labels), features.encoder.tree.paths


def described(found: Sequence[Found], share: float) -> str:
    """A Markdown table, and whether each task keeps the promise."""
    columns = (
        f"task | labels | listings | shuffled ({share:.0%}) | of these in the first tenth | ≥ {MUST_FIND:.0%}? | suspects | "
        "with so many of the shuffled | which are so many of them | right category suggested | suspects unshuffled"
    )
    shares = ("suspect", "among_suspects", "precision", "put_right", "natural")
    rows = (
        [
            *(
                f"`{each.task}`",
                each.labels,
                f"{each.listings:,}",
                f"{each.shuffled:,}",
                f"{each.in_first_tenth:.1%}",
            ),
            "yes" if each.in_first_tenth >= MUST_FIND else "no",
            *(f"{getattr(each, name):.1%}" for name in shares),
        ]
        for each in found
    )
    return table(columns, rows)


@click.command()
@data_option
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=0.05, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@write_option
@tasks_argument
def main(data: Path, share: float, seed: int, write: Path | None, tasks: Sequence[str]) -> None:
    """Shuffle categories of TASKS (`sample`, `bigbasket:1` … `amazon_in:2`; all when none is named) and look for them."""
    found = []
    for task in tasks or (SAMPLE, *TASKS):
        found.append(measure(_sample() if task == SAMPLE else load_task(task, data), share, seed))
        say(f"{task}: {found[-1].in_first_tenth:.1%} in the first tenth")
    publish(
        "# Suspect categories\n\nWritten by `python -m prodclf_tests.benchmarks.suspects`: categories of "
        f"{share:.0%} of the training products are dealt to one another; where the model's out-of-fold answers rank "
        f"these. Commit {git_commit()}, seed {seed}.\n\n{described(found, share)}\n",
        write,
    )


def _sample() -> Rows:
    """The built-in sample catalogue, 10,000 rows."""
    return split_rows(SAMPLE, clean_products(pd.concat(sample_catalogue(10_000), ignore_index=True)).products)


if __name__ == "__main__":
    main()
