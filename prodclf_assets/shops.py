"""The shops of a home: what each is trained on, and which of them a catalogue belongs to."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from prodclf_assets.errors import ProdclfError
from prodclf_assets.settings import (
    DEFAULT_SHOP,
    SHOP_NAME,
    Settings,
    chosen_shop,
    get_settings,
    home_settings,
    named_shops,
)

_ENDINGS = re.compile(r"\.(csv|tsv|jsonl|ndjson|json|parquet|xlsx|gz|zst|bz2|xz|zip)\b", re.I)


class RememberedCatalogue(NamedTuple):
    """What a shop is trained on, so that schedule, sensors and "Materialize all" train the same again.

    Attributes:
        source: path, folder, glob or `s3://…`; local ones absolute.
        source_config: absolute path of the mapping file; None when the mapping is inferred.
    """

    source: str
    source_config: str | None


def absolute_source(source: str) -> str:
    """Return a source as it is named from any working directory."""
    return source if "://" in source else str(Path(source).expanduser().absolute())


def remembered_catalogue(settings: Settings | None = None) -> RememberedCatalogue | None:
    """Return what a shop is trained on; None for a new one and for one that knows the sample alone.

    Args:
        settings: those of the shop; of the one that is worked for when None.
    """
    memory = _memory(settings or get_settings())
    try:
        return RememberedCatalogue(**json.loads(memory.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ProdclfError(
            f"{memory} cannot be read ({error}): remove it, and name the catalogue with --source once more"
        ) from error


def remember_catalogue(source: str, source_config: str | None, settings: Settings | None = None) -> None:
    """Make a source and its mapping what a shop trains when nobody names another.

    Args:
        source: path, folder, glob or `s3://…`.
        source_config: path of the mapping file; None when the mapping is inferred.
        settings: those of the shop; of the one that is worked for when None.
    """
    mapping = str(Path(source_config).expanduser().absolute()) if source_config else None
    memory = _memory(settings or get_settings())
    memory.parent.mkdir(parents=True, exist_ok=True)
    written = memory.with_suffix(f".{os.getpid()}.part")
    written.write_text(json.dumps({"source": absolute_source(source), "source_config": mapping}), "utf-8")
    written.replace(memory)


def list_shops() -> list[str]:
    """Return the names of the home's shops; `default` is the first, and the one that holds a home of before."""
    return [DEFAULT_SHOP, *named_shops(home_settings().home)]


def make_shop(name: str, source: str | None, source_config: str | None) -> None:
    """Make a new shop, and have it remember its source.

    Raises:
        ProdclfError: the name cannot be a shop's, or is taken.
    """
    if not re.fullmatch(SHOP_NAME, name):
        raise ProdclfError(
            f"{name!r} cannot be the name of a shop: take up to 63 small letters, digits, - and _"
        )
    settings = home_settings().of_shop(name)
    if name == DEFAULT_SHOP or name in named_shops(home_settings().home):
        raise ProdclfError(f"there is a shop {name!r} already: `prodclf shops use {name}` chooses it")
    settings.home.mkdir(parents=True, exist_ok=True)
    if source is not None:
        remember_catalogue(source, source_config, settings)


def shop_for(source: str, is_other: Callable[[], bool]) -> str | None:
    """Return the shop that a source belongs to; None when it should have a new one.

    Args:
        source: path, folder, glob or `s3://…`.
        is_other: whether the present shop's model knows another catalogue than the source; asked only if the source is
            new to all shops.
    """
    home = home_settings()
    present = chosen_shop(home.home)
    for name in dict.fromkeys((present, *list_shops())):
        known = remembered_catalogue(home.of_shop(name))
        if known is not None and known.source == absolute_source(source):
            return name
    return None if is_other() else present


def free_name(source: str) -> str:
    """Return a name for a new shop that is to be trained on a source."""
    name = source_name(source)
    taken = {DEFAULT_SHOP, *named_shops(home_settings().home)}
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return next(each for each in (name, *numbered) if each not in taken)


def source_name(source: str) -> str:
    """Return what a source is called, such as `spring-feed` for `feeds/Spring feed.csv.gz`; it can be a shop's name."""
    parts = [part for part in re.split(r"[/\\]+", source) if part and not re.search(r"[*?\[]", part)]
    stem = _ENDINGS.sub("", parts[-1] if parts else "")
    return re.sub(r"[^a-z0-9_]+", "-", stem.lower()).strip("-_")[:50] or "shop"


def _memory(settings: Settings) -> Path:
    return settings.home.resolve() / "catalogue.json"
