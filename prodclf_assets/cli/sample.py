"""`prodclf sample`: a catalogue to try things on."""

from dataclasses import asdict
from pathlib import Path

import click

from prodclf_assets.cli.terminal import Progress, json_option, print_json, tell


@click.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--rows", type=click.IntRange(min=1), default=10_000, show_default=True, help="Products.")
@click.option(
    "--categories", type=click.IntRange(min=1), default=12, show_default=True, help="Top categories."
)
@click.option(
    "--leaves", type=click.IntRange(min=1), help="Leaf categories over all.  [default: 8 a top category]"
)
@click.option("--sellers", type=click.IntRange(min=1), default=5_000, show_default=True, help="Sellers.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=7, show_default=True, help="Another seed, another shop."
)
@click.option(
    "--wrong-labels",
    type=click.FloatRange(0, 0.5),
    default=0.03,
    show_default=True,
    help="Share filed wrongly.",
)
@click.option(
    "--duplicates",
    type=click.FloatRange(0, 0.5),
    default=0.05,
    show_default=True,
    help="Share listed before.",
)
@json_option
def sample(
    out: Path,
    rows: int,
    categories: int,
    leaves: int | None,
    sellers: int,
    seed: int,
    wrong_labels: float,
    duplicates: float,
    as_json: bool,
) -> None:
    """Write a believable, untidy catalogue to OUT (.parquet, .csv, .csv.gz or .jsonl).

    The same options give the same rows on any machine, and a longer catalogue begins with the shorter one.

    \b
    Examples:
      prodclf sample shop.parquet
      prodclf sample shop.csv --rows 1000 --categories 3 --seed 1
      prodclf sample big.parquet --rows 1000000 --leaves 3000
    """
    if leaves is not None and leaves < categories:
        raise click.BadParameter(
            f"{leaves} leaves cannot fill {categories} top categories", param_hint="--leaves"
        )
    from prodclf_assets.catalog.sample.generator import write_sample
    from prodclf_assets.cli.files import output_format

    output_format(out, None)
    summary = write_sample(
        out,
        rows,
        categories,
        leaves,
        sellers,
        seed,
        wrong_labels=wrong_labels,
        duplicates=duplicates,
        progress=Progress(rows, "wrote"),
    )
    if as_json:
        print_json(asdict(summary))
    else:
        tell(
            f"{out}: {summary.rows:,} products in {summary.leaves:,} categories under {summary.categories}, "
            f"{summary.brands:,} brands, {summary.sellers:,} sellers, {summary.wrong_labels:,} filed wrongly"
        )
