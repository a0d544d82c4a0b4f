"""What assets are given to work with: the lake and the catalogue's source.

Every field defaults to "as the environment says"; the environment is read when a run starts, never when the
definitions load.
"""

from typing import Any
from urllib.parse import urlsplit

import dagster as dg
from pydantic import Field

from prodclf_assets.errors import SourceError
from prodclf_assets.lake import Lake, open_lake
from prodclf_assets.settings import DEFAULT_SHOP, get_settings
from prodclf_assets.shops import absolute_source, remembered_catalogue


class LakeResource(dg.ConfigurableResource[Any]):
    """Where assets are stored: a folder, or a prefix of an S3 bucket."""

    location: str | None = Field(
        default=None, description="A folder or s3://bucket/prefix; as PRODCLF_LAKE says when absent."
    )

    def open(self) -> Lake:
        """Open the lake.

        Raises:
            LakeError: the location is not one a lake can be at.
        """
        location = self.location or get_settings().lake
        return open_lake(location, s3_client=_s3_client() if urlsplit(location).scheme == "s3" else None)


class CatalogueSource(dg.ConfigurableResource[Any]):
    """Which product files the graph reads, and how their columns are mapped."""

    source: str | None = Field(
        default=None,
        description="Path, folder, glob or s3://…; as PRODCLF_SOURCE says when absent, else what was trained on last.",
    )
    source_config: str | None = Field(
        default=None, description="A YAML mapping file; as PRODCLF_SOURCE_CONFIG says when absent."
    )
    sample_rows: int = Field(
        default=10_000,
        gt=0,
        description="Rows of the built-in sample catalogue, used when no source is named.",
    )
    taxonomy: str | None = Field(
        default=None,
        description="A YAML file of changes of the category tree; as PRODCLF_TAXONOMY says when absent.",
    )

    leave_out: list[str] = Field(
        default=[],
        description="Files that are still being written: they stay as the last run read them, or out.",
    )

    def resolved_source(self) -> str | None:
        """Return the source to read: named here, by PRODCLF_SOURCE or trained on last; None for the built-in sample.

        Raises:
            SourceError: a shop other than `default` has no source yet; the sample is not put in its place.
        """
        settings = get_settings()
        named = self.source or settings.source
        if named:
            return named
        remembered = remembered_catalogue()
        if remembered is None and settings.shop != DEFAULT_SHOP:
            raise SourceError(
                f"shop {settings.shop!r} has no source yet: name it with `prodclf train --shop {settings.shop} --source FILE`"
            )
        return remembered.source if remembered else None

    def resolved_source_config(self) -> str | None:
        """Return the path of the mapping file, or None when the mapping is to be inferred.

        The mapping that a source was last trained with stays with that source.
        """
        chosen = self.source_config or get_settings().source_config
        if chosen:
            return str(chosen)
        source, remembered = self.resolved_source(), remembered_catalogue()
        same = source is not None and remembered is not None and absolute_source(source) == remembered.source
        return remembered.source_config if same and remembered else None

    def resolved_taxonomy(self) -> str | None:
        """Return the path of the taxonomy file, or None when nothing has changed."""
        chosen = self.taxonomy or get_settings().taxonomy
        return str(chosen) if chosen else None


def _s3_client() -> Any:
    # dagster_aws costs two and a half seconds to import (it imports every AWS component it has), and a local
    # lake never needs it.
    from dagster_aws.s3 import S3Resource

    return S3Resource().get_client()
