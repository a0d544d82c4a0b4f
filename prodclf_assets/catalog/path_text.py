"""A category path as a text of its own; no pandas, so that serving starts fast."""

import re
from typing import Final

from prodclf_assets.catalog.columns import PATH_SEPARATOR
from prodclf_assets.catalog.text.normalise import normalise_text

_ARROW: Final = re.compile(r"\s*>\s*")


def normal_path(path: str) -> str:
    """Return a category path in normal form.

    Raises:
        ValueError: a level is blank.
    """
    levels = [normalise_text(level) for level in _ARROW.split(path)]
    if "" in levels:
        raise ValueError(f"{path!r} has a blank level")
    return PATH_SEPARATOR.join(levels)


def is_within(label: str, path: str) -> bool:
    """Whether a category is a path itself or lies below it."""
    return label == path or label.startswith(path + PATH_SEPARATOR)
