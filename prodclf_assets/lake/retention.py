"""Which versions nobody needs any more, and their removal."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from prodclf_assets.lake.store import Store
from prodclf_assets.lake.versions import ID_PATTERN, ID_TIME

_KEY = re.compile(rf"(?P<asset>.+?)/versions/(?P<id>{ID_PATTERN.pattern})/(?P<file>.+)")
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class OldVersion:
    """A version that may go.

    Attributes:
        asset: name of the asset.
        id: of the version.
        files: how many objects it has.
        complete: whether it has a manifest; what a killed writer left behind has none.
    """

    asset: str
    id: str
    files: int
    complete: bool


def asset_of(key: str) -> str | None:
    """Return the asset that a key belongs to a version of, or None."""
    found = _KEY.fullmatch(key)
    return found["asset"] if found else None


def old_versions(
    keys: Iterable[str],
    pointers: Mapping[str, str | None],
    *,
    keep: int,
    before: datetime,
    named: Collection[str],
) -> list[OldVersion]:
    """Choose the versions that may go: neither young, nor among an asset's newest, nor latest, nor named.

    Args:
        keys: every key of the lake.
        pointers: the latest version's id of each asset.
        keep: how many complete versions of each asset stay whatever their age.
        before: versions written at this time or later stay, since runs under way may read them.
        named: ids of versions that stay, of whatever asset.
    """
    files: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key in keys:
        if found := _KEY.fullmatch(key):
            files[found["asset"], found["id"]].append(found["file"])
    newest: dict[str, list[str]] = defaultdict(list)
    for (asset, version), names in sorted(files.items(), reverse=True):
        if _MANIFEST in names and len(newest[asset]) < keep:
            newest[asset].append(version)
    return [
        OldVersion(asset, version, len(names), _MANIFEST in names)
        for (asset, version), names in sorted(files.items())
        if _written(version) < before
        and version not in newest[asset]
        and version != pointers.get(asset)
        and version not in named
    ]


def remove_version(store: Store, old: OldVersion) -> None:
    """Delete a version, its manifest first: killed anywhere in between, what is left is no version."""
    home = f"{old.asset}/versions/{old.id}"
    keys = store.list(f"{home}/")
    store.delete([f"{home}/{_MANIFEST}"] if f"{home}/{_MANIFEST}" in keys else [])
    store.delete([key for key in keys if key != f"{home}/{_MANIFEST}"])


def _written(version: str) -> datetime:
    return datetime.strptime(version.split("-")[0], ID_TIME).replace(tzinfo=UTC)
