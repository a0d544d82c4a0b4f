"""`prodclf report`: what was found, as a page to read, mail and keep."""

from pathlib import Path

import click

from prodclf_assets.cli.terminal import tell
from prodclf_assets.errors import LakeError, ProdclfError

_ASSETS = {
    "evaluation": "evaluation_report",
    "stakeholders": "stakeholder_report",
    "drift": "drift_report",
    "quality": "data_quality_report",
}


@click.command()
@click.argument("name", metavar="[NAME]", type=click.Choice(list(_ASSETS)), default="evaluation")
@click.option("--open", "opened", is_flag=True, help="Open it in the browser.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.  [default: in the home]"
)
def report(name: str, opened: bool, out: Path | None) -> None:
    """Write the latest report NAME as one HTML page, and print its path.

    \b
      evaluation    how good the model is, what for, and where it fails
      stakeholders  the same for those who pay for it
      drift         whether products still look like those that were trained on
      quality       what can be mended in the catalogue

    The page has everything in itself: it can be mailed and kept.

    \b
    Examples:
      prodclf report
      prodclf report quality --open
      prodclf report stakeholders --out march.html
    """
    from prodclf_assets.lake import open_lake
    from prodclf_assets.settings import get_settings

    lake = open_lake(get_settings().lake)
    version = lake.find_latest(_ASSETS[name])
    if version is None:
        raise ProdclfError(f"there is no {name} report yet: run `prodclf train` first")
    try:
        page = lake.read_bytes(version, "report.html")
    except LakeError as error:
        raise ProdclfError(
            f"the {name} report has no page ({error}): run `prodclf train` once more"
        ) from error
    path = (out or get_settings().home / "reports" / f"{name}.html").absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(page)
    click.echo(path)
    if not opened:
        return
    import webbrowser

    if not webbrowser.open(path.as_uri()):
        tell("no browser was found here: open the file in one")
