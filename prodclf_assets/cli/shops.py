"""`prodclf init` and `prodclf shops`: the shops of a home, and which of them is worked for."""

from typing import Any

import click

from prodclf_assets.cli.terminal import json_option, print_json, print_table, tell
from prodclf_assets.errors import ProdclfError


@click.command()
@click.argument("name")
@click.option("--source", help="Product files that it is trained on: path, folder, glob or s3://….")
@click.option("--source-config", help="YAML mapping of their columns.  [default: inferred]")
def init(name: str, source: str | None, source_config: str | None) -> None:
    """Make a shop called NAME, and work for it from now on.

    A shop has a source, models, labels, logs and a history of its own; several share one home.

    \b
    Examples:
      prodclf init shoes --source shoes.csv.gz --source-config mapping.yaml
      prodclf train
    """
    from prodclf_assets.catalog.reading.columns.mapping import load_source_config
    from prodclf_assets.catalog.reading.sources import listed_files
    from prodclf_assets.settings import choose_shop, home_settings
    from prodclf_assets.shops import make_shop

    if source_config and not source:
        raise click.UsageError("--source-config goes with a --source")
    if source:
        listed_files(source)
    if source_config:
        load_source_config(source_config)
    make_shop(name, source, source_config)
    choose_shop(home_settings().home, name)
    tell(f"shop {name!r} is made and chosen; next: prodclf train{'' if source else ' --source FILE'}")


@click.group()
def shops() -> None:
    """List the shops of this home, and choose the one to work for.

    PRODCLF_SHOP or the option --shop of a command name another for once.

    \b
    Examples:
      prodclf shops list
      prodclf shops use shoes
    """


@shops.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List every shop: its source, its champion, and when that was registered."""
    from prodclf_assets.settings import get_settings
    from prodclf_assets.shops import list_shops

    present = get_settings().shop
    found = [{"name": name, "current": name == present, **_facts(name)} for name in list_shops()]
    if as_json:
        print_json(found)
        return
    print_table(
        [
            {
                "": "*" if shop["current"] else "",
                "SHOP": shop["name"],
                "CHAMPION": shop["champion"] or "-",
                "REGISTERED": shop["registered"] or "-",
                "SOURCE": shop["source"] or "-",
            }
            for shop in found
        ]
    )


@shops.command()
@click.argument("name")
def use(name: str) -> None:
    """Work for the shop NAME from now on."""
    from prodclf_assets.settings import choose_shop, home_settings

    _check(name)
    settings = home_settings()
    choose_shop(settings.home, name)
    overruled = settings.shop not in (None, name)
    tell(f"shop {name!r} is chosen{', but PRODCLF_SHOP says ' + repr(settings.shop) if overruled else ''}")


def add_shop_option(command: click.Command) -> None:
    """Let a command, or all commands of a group, take `--shop NAME`."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            add_shop_option(each)
        return
    option = click.Option(
        ["--shop"],
        metavar="NAME",
        expose_value=False,
        is_eager=True,
        callback=_enter,
        help="The shop to work for.  [default: PRODCLF_SHOP, else what `prodclf shops use` chose]",
    )
    command.params.append(option)


def _enter(ctx: click.Context, param: click.Parameter, name: str | None) -> None:
    if name is not None:
        from prodclf_assets.settings import pin_shop

        _check(name)
        pin_shop(name)


def _check(name: str) -> None:
    from prodclf_assets.shops import list_shops

    known = list_shops()
    if name not in known:
        raise ProdclfError(
            f"there is no shop {name!r}; there are {', '.join(known)}, and `prodclf init {name}` makes it"
        )


def _facts(name: str) -> dict[str, Any]:
    from prodclf_assets.registry import open_follower
    from prodclf_assets.settings import DEFAULT_SHOP, home_settings
    from prodclf_assets.shops import remembered_catalogue

    settings = home_settings().of_shop(name)
    catalogue = remembered_catalogue(settings)
    try:
        champion = open_follower(settings).resolve(settings.model_alias)
    except ProdclfError:
        champion = None
    sample = "the built-in sample" if name == DEFAULT_SHOP and champion else None
    return {
        "source": catalogue.source if catalogue else settings.source or sample,
        "source_config": catalogue.source_config if catalogue else None,
        "champion": champion.version if champion else None,
        "registered": champion.created_at.strftime("%Y-%m-%d %H:%M") if champion else None,
    }
