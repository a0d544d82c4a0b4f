"""`prodclf models`: which models there are, which one answers, and changing that by hand."""

from typing import TYPE_CHECKING, Any

import click

from prodclf_assets.cli.terminal import json_option, print_json, print_table, tell

if TYPE_CHECKING:
    from prodclf_assets.registry import RegisteredVersion, Registry


@click.group()
def models() -> None:
    """List, show, promote and roll back registered models.

    \b
    Examples:
      prodclf models list
      prodclf models show champion
      prodclf models promote 4 --reason "better on shoes, checked by hand"
      prodclf models rollback --reason "files garden tools under toys"
    """


@models.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """List every version, newest first."""
    versions = _registry().list_versions()
    if as_json:
        print_json([_facts(version) for version in versions])
    elif not versions:
        tell("no model is registered yet: run `prodclf train`")
    else:
        print_table([_line(version) for version in versions])


@models.command()
@click.argument("ref", metavar="[ALIAS|VERSION]", default="champion")
@json_option
def show(ref: str, as_json: bool) -> None:
    """Show one version, by number or alias: its marks, tags and model card."""
    version = _registry().resolve(ref)
    facts = _facts(version)
    if as_json:
        print_json(facts)
        return
    for name in ("name", "version", "aliases", "created_at", "run_id", "bundle_hash", "rolled_back"):
        click.echo(f"{name:<12} {_shown(facts[name])}")
    for name, value in sorted(version.tags.items()):
        click.echo(f"  {name}: {value}")
    if version.description:
        click.echo(f"\n{version.description}")


@models.command()
@click.argument("version")
@click.option("--reason", default="by hand", show_default=True, help="Why, for the promotion log.")
@json_option
def promote(version: str, reason: str, as_json: bool) -> None:
    """Make VERSION (a number or an alias) the champion; what serves follows within seconds."""
    registry = _registry()
    _report(registry.promote(version, reason, _lake()), as_json)


@models.command()
@click.option("--reason", default="by hand", show_default=True, help="Why, for the promotion log.")
@json_option
def rollback(reason: str, as_json: bool) -> None:
    """Restore the champion before the present one; the one that leaves is not promoted again by itself."""
    registry = _registry()
    _report(registry.rollback(reason, _lake()), as_json)


def _report(version: "RegisteredVersion", as_json: bool) -> None:
    if as_json:
        print_json(_facts(version))
    else:
        tell(f"version {version.version} of {version.name} is champion")


def _registry() -> "Registry":
    from prodclf_assets.registry import open_registry
    from prodclf_assets.settings import get_settings

    return open_registry(get_settings())


def _lake() -> Any:
    from prodclf_assets.lake import open_lake
    from prodclf_assets.settings import get_settings

    return open_lake(get_settings().lake)


def _facts(version: "RegisteredVersion") -> dict[str, Any]:
    return {
        "name": version.name,
        "version": version.version,
        "aliases": list(version.aliases),
        "created_at": version.created_at.isoformat(timespec="seconds"),
        "run_id": version.run_id,
        "bundle_hash": version.bundle_hash,
        "rolled_back": version.rolled_back,
        "tags": dict(version.tags),
        "description": version.description,
    }


def _line(version: "RegisteredVersion") -> dict[str, object]:
    return {
        "VERSION": version.version,
        "ALIASES": ", ".join(version.aliases) or "-",
        "CREATED": version.created_at.strftime("%Y-%m-%d %H:%M"),
        "BUNDLE": (version.bundle_hash or "-")[:12],
        "NOTE": f"rolled back: {version.rolled_back}" if version.rolled_back else "",
    }


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "-"
    return "-" if value is None else str(value)
