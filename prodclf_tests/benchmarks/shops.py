"""What a user gets on shops that nobody tuned for: `python -m prodclf_tests.benchmarks.shops`.

Of each shop four fifths of the titles are trained on with `prodclf train`, as a user would, and the rest is filed with
`prodclf score`. The peers, TF-IDF (words 1-2, characters 2-5) with a linear SVM or logistic regression, get the very same
rows in the same run. An answer is right when it is any category that the shop lists the title under; the same with the
one category of the row is said beside it.
"""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import click
import numpy as np
import pandas as pd

from prodclf_assets.catalog.category_sets import listed_under
from prodclf_assets.catalog.columns import (
    CATEGORY_SEPARATOR,
    LABEL_COLUMN,
    OTHER_CATEGORIES_COLUMN,
    TITLE_KEY_COLUMN,
)
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.catalog.reading.columns.mapping import SourceConfig, load_source_config
from prodclf_assets.catalog.reading.readers import read_source
from prodclf_assets.catalog.text.series import title_keys
from prodclf_assets.classifier.calibration.calibrator import (
    calibration_error,
    calibration_noise,
    reliability,
)
from prodclf_assets.classifier.evaluation.report import coverage_at
from prodclf_tests.benchmarks.classifier import linear_peers
from prodclf_tests.benchmarks.command import (
    data_option,
    run_prodclf,
    say,
    table,
    tasks_argument,
    write_option,
)
from prodclf_tests.benchmarks.measures import (
    PRECISION,
    Flags,
    Floats,
    Texts,
    coded,
    interval,
    macro_f1,
    mcnemar,
)
from prodclf_tests.benchmarks.tasks import MAPPINGS, Rows

TASKS: Final = (
    "bigbasket:1", "bigbasket:2", "bigbasket:3", "amazon_in:1", "amazon_in:2", "en_flipkart_2016",
    "en_sg_giant_2017:2", "es_mercadona_2023:2", "it_carrefour_2023:1",
)  # fmt: skip
HELD_BACK: Final = 5
"""One title of so many is held back."""
LOGISTIC_LABELS: Final = 150
"""Labels beyond which logistic regression, one solver a label, takes longer than everything else together."""
DRAWS: Final = 1_000


@dataclass(frozen=True)
class Said:
    """What a model says of n held-back rows.

    Attributes:
        name: of the model.
        category: texts[n].
        score: float64[n], rising with how sure it is.
        auto: bool[n], what it files by itself; nothing for a peer, which has no rule.
    """

    name: str
    category: Texts
    score: Floats
    auto: Flags


@dataclass(frozen=True)
class Shop:
    """A shop, parted by title.

    Attributes:
        task: file, and depth of the path where it is cut.
        learnt: rows of the file to train on, as they are.
        held: rows to file.
        truth: products frame of `held`, `other_categories` being all that the shop lists the title under.
        products: products frame of `learnt`, for the peers.
    """

    task: str
    config: SourceConfig
    learnt: pd.DataFrame
    held: pd.DataFrame
    truth: pd.DataFrame
    products: pd.DataFrame

    @classmethod
    def of(cls, task: str, data: Path) -> "Shop":
        """Read a shop of the folder, and part it."""
        name, _, depth = task.partition(":")
        config = load_source_config(MAPPINGS / f"{name}.yaml")
        config = config.model_copy(update={"depth": int(depth)}) if depth else config
        table = read_source(str(data / f"{name}_train.csv.gz"), config, require_labels=True)
        products = table.products.assign(**{TITLE_KEY_COLUMN: title_keys(table.products["title"])})
        usable = (products[TITLE_KEY_COLUMN].notna() & products[LABEL_COLUMN].notna()).to_numpy()
        held = usable & np.array([_held_back(str(key)) for key in products[TITLE_KEY_COLUMN].fillna("")])
        products = _listed(products)
        original = table.original
        return cls(
            task, config, original[usable & ~held], original[held],
            products[held].reset_index(drop=True), products[usable & ~held].reset_index(drop=True),
        )  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """One row of the table; errors and F1 are ours and the best peer's."""

    task: str
    learnt: int
    labels: int
    held: int
    peer: str
    error: tuple[float, float]
    single_error: tuple[float, float]
    p: float
    f1: tuple[float, float]
    f1_interval: tuple[float, float]
    auto_share: float
    auto_precision: float
    auto_precision_single: float
    auto_rows: int
    peers_share: float
    ece: float
    ece_chance: float
    seconds: tuple[float, float]

    @property
    def ratio(self) -> float:
        """Our error over the best peer's."""
        return self.error[0] / self.error[1]

    def line(self) -> str:
        """The row as Markdown."""
        single = self.single_error[0] / self.single_error[1]
        low, high = self.f1_interval
        return (
            f"| `{self.task}` | {self.learnt:,} | {self.labels:,} | {self.held:,} | {self.peer} "
            f"| {self.error[0]:.4f} / {self.error[1]:.4f} | **{self.ratio:.2f}** | {self.p:.2g} | {single:.2f} "
            f"| {self.f1[0]:.3f} / {self.f1[1]:.3f} ({100 * low:+.1f} to {100 * high:+.1f}) "
            f"| {self.auto_share:.1%} | {self.peers_share:.1%} "
            f"| {self.auto_precision:.1%} | {self.auto_precision_single:.1%} "
            f"| {self.ece:.3f} ({self.ece_chance:.3f}) | {self.seconds[0]:.0f} + {self.seconds[1]:.0f} |"
        )


HEADER: Final = (
    "| shop | rows learnt from | labels | rows held back | best peer | error, ours / its | ratio | p | ratio, the row's own "
    "category | macro-F1, ours / its (95% of the difference, points) | `auto` | peers' largest share at 95% | precision of "
    "`auto` | the row's own category | calibration error (by chance) | seconds, train + score |\n"
    + "|---" * 16
    + "|"
)


@click.command()
@data_option
@write_option
@tasks_argument
def main(data: Path, write: Path | None, tasks: tuple[str, ...]) -> None:
    """Measure TASKS (file, or file:depth), all when none is named."""
    measured = []
    for task in tasks or TASKS:
        measured.append(measure(Shop.of(task, data)))
        say(measured[-1].line())
    text = "\n".join([__doc__ or "", verdicts(measured), "", HEADER, *(row.line() for row in measured), ""])
    click.echo(text)
    if write:
        write.write_text(f"# Shops that nobody tuned for\n\n{text}", "utf-8")


def measure(shop: Shop) -> Measured:
    """Train, file, ask the peers, compare."""
    ours, seconds = by_command(shop)
    peers = by_peers(shop)
    right = {said.name: listed_under(shop.truth, said.category) for said in (ours, *peers)}
    best = max(peers, key=lambda said: float(right[said.name].mean()))
    mine, theirs = right[ours.name], right[best.name]
    own = shop.truth[LABEL_COLUMN].to_numpy(object)
    bins = reliability(ours.score, mine)
    chance = calibration_noise(
        np.array([part["confidence"] for part in bins]), np.array([int(part["rows"]) for part in bins])
    )
    return Measured(
        shop.task,
        len(shop.learnt),
        int(shop.products[LABEL_COLUMN].nunique()),
        len(shop.held),
        best.name,
        (_wrong(mine), _wrong(theirs)),
        (_wrong(ours.category == own), _wrong(best.category == own)),
        mcnemar(mine, theirs)[2],
        tuple(_f1(own, said.category, right[said.name]) for said in (ours, best)),  # type: ignore[arg-type]
        _f1_interval(own, (ours, best), right),
        float(ours.auto.mean()),
        float(mine[ours.auto].mean()) if ours.auto.any() else 0.0,
        float((ours.category == own)[ours.auto].mean()) if ours.auto.any() else 0.0,
        int(ours.auto.sum()),
        max(coverage_at(said.score, right[said.name], PRECISION) for said in peers),
        calibration_error(ours.score, mine),
        chance,
        seconds,
    )


def by_command(shop: Shop) -> tuple[Said, tuple[float, float]]:
    """What `prodclf train` and `prodclf score` answer, and the seconds that each took, in a home of their own."""
    with tempfile.TemporaryDirectory(prefix="prodclf-benchmark-") as scratch:
        home = Path(scratch)
        mapping, plain = home / "mapping.yaml", home / "columns.yaml"
        mapping.write_text(shop.config.to_yaml(), "utf-8")
        plain.write_text(json.dumps({"columns": dict(shop.config.columns)}), "utf-8")
        shop.learnt.to_csv(home / "learnt.csv", index=False)
        shop.held.drop(columns=list(shop.config.category_path)).to_csv(home / "held.csv", index=False)
        trained = run_prodclf(home, "train", "--source", "learnt.csv", "--source-config", "mapping.yaml")
        scored = run_prodclf(home, "score", "held.csv", "filed.csv", "--source-config", "columns.yaml")
        filed = pd.read_csv(home / "filed.csv", keep_default_na=False)
    if len(filed) != len(shop.truth):
        raise click.ClickException(f"{shop.task}: {len(shop.truth)} rows were scored, {len(filed)} came back")
    said = Said(
        "prodclf",
        filed["predicted_category"].to_numpy(object),
        filed["confidence"].to_numpy(float),
        (filed["decision"] == "auto").to_numpy(),
    )
    return said, (trained, scored)


def by_peers(shop: Shop) -> list[Said]:
    """What the peers answer, each fitted on every row."""
    rows = Rows(shop.task, shop.products, shop.products.iloc[:0], shop.products.iloc[:0])
    models = {"linear SVM": (linear_peers.svm, 1.0), "logistic regression": (linear_peers.logistic, 30.0)}
    if shop.products[LABEL_COLUMN].nunique() > LOGISTIC_LABELS:
        del models["logistic regression"]
    found = []
    for name, (model, penalty) in models.items():
        answers = linear_peers.fit(model, rows, {"C": penalty}, 1).answer(ProductBatch.from_frame(shop.truth))
        found.append(Said(name, answers.category, answers.score, np.zeros(len(shop.truth), np.bool_)))
    return found


def verdicts(measured: Sequence[Measured]) -> str:
    """Which bars are kept, as a Markdown table."""
    judged = [row for row in measured if row.auto_rows >= 300]
    careful = [row for row in judged if row.auto_share < PRECISION]
    rows = [
        (
            "a peer is better beyond chance in error (p < .05)",
            "on no shop",
            _named(row.task for row in measured if row.ratio > 1 and row.p < 0.05),
        ),
        (
            "a peer is better beyond chance in macro-F1 (95% interval)",
            "on no shop",
            _named(row.task for row in measured if row.f1_interval[1] < 0),
        ),
        ("median of error ratios", "≤ .93, aim .88", f"{median(row.ratio for row in measured):.3f}"),
        (
            "macro-F1 above the best peer's",
            "three shops of four",
            f"{sum(row.f1[0] > row.f1[1] for row in measured)} of {len(measured)}",
        ),
        (
            "precision of `auto`, where 300 rows are",
            "≥ 94%",
            f"lowest {min((row.auto_precision for row in judged), default=0):.1%}",
        ),
        (
            "the same, where less than 95% are `auto`",
            "≤ 97.5%",
            f"highest {max((row.auto_precision for row in careful), default=0):.1%}",
        ),
        (
            "share of `auto` at or above the peers' largest at 95%",
            "three shops of four",
            f"{sum(row.auto_share >= row.peers_share for row in measured)} of {len(measured)}",
        ),
        (
            "calibration error less chance",
            "≤ .02",
            f"highest {max(row.ece - row.ece_chance for row in measured):.3f}",
        ),
    ]
    return table("measure | must reach | measured", rows)


def _named(tasks: Any) -> str:
    return ", ".join(f"`{task}`" for task in tasks) or "on none"


def _listed(products: pd.DataFrame) -> pd.DataFrame:
    """With all other categories that the shop lists each title under, whatever the brand."""
    distinct = products[[TITLE_KEY_COLUMN, LABEL_COLUMN]].dropna().drop_duplicates()
    sets = distinct.groupby(TITLE_KEY_COLUMN)[LABEL_COLUMN].agg(list)
    several = sets[sets.map(len) > 1]
    others = [
        CATEGORY_SEPARATOR.join(sorted(set(several[key]) - {own})) if key in several.index else None
        for key, own in zip(products[TITLE_KEY_COLUMN], products[LABEL_COLUMN], strict=True)
    ]
    return products.assign(**{OTHER_CATEGORIES_COLUMN: pd.array(others, dtype="string")})


def _held_back(key: str) -> bool:
    digest = hashlib.blake2b(key.encode(), digest_size=4, key=b"benchmark-shops").digest()
    return int.from_bytes(digest, "big") % HELD_BACK == 0


def _wrong(right: Any) -> float:
    return float(1 - np.asarray(right, np.bool_).mean())


def _f1(own: Texts, answers: Texts, right: Flags) -> float:
    return macro_f1(*coded(np.where(right, answers, own), answers))


def _f1_interval(own: Texts, pair: Sequence[Said], right: dict[str, Flags]) -> tuple[float, float]:
    """95% interval of the difference of two macro-F1 on the same rows, by bootstrap."""
    columns = [
        column for said in pair for column in (np.where(right[said.name], said.category, own), said.category)
    ]
    codes, rng, gains = coded(*columns), np.random.default_rng(7), []
    for _ in range(DRAWS):
        rows = rng.integers(0, len(own), len(own))
        ours, peer = (macro_f1(codes[at][rows], codes[at + 1][rows]) for at in (0, 2))
        gains.append(ours - peer)
    return interval(gains)


if __name__ == "__main__":
    main()
