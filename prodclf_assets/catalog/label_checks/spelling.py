"""Categories whose names differ only in how they are written."""

import re
from collections.abc import Mapping
from typing import Final

from prodclf_assets.catalog.text.normalise import title_key

_JOINERS: Final = frozenset({"and", "und", "et", "och", "og"})
_PLURALS: Final = (
    (re.compile(r"ies$"), "y"),
    (re.compile(r"(?<=[sxz])es$|(?<=[cs]h)es$"), ""),
    (re.compile(r"(?<!s)s$"), ""),
)
_DECIMALS: Final = re.compile(r"(?<=\d)\.0+$")
_SHORTEST: Final = 4
"""Letters of the shortest word that may be a plural."""


def spelling_groups(counts: Mapping[str, int]) -> list[list[str]]:
    """Return the categories that differ only in case, accents, punctuation, `and` or plural; the largest groups first.

    Args:
        counts: rows of each category.

    Returns:
        Groups of two or more, in each the category with most rows first.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        groups.setdefault(spelling_key(name), []).append(name)
    several = [group for group in groups.values() if len(group) > 1]
    return sorted(several, key=lambda group: -sum(counts[name] for name in group[1:]))


def spelling_key(category: str) -> str:
    """Return what a category's name is but for case, accents, punctuation (the marks of a path, too), `and` and plural.

    A number that a table made a decimal, `2583.0`, is the number.
    """
    words = (word for word in title_key(_DECIMALS.sub("", category)).split() if word not in _JOINERS)
    return " ".join(map(_singular, words)) or category


def _singular(word: str) -> str:
    if len(word) < _SHORTEST:
        return word
    for ending, instead in _PLURALS:
        singular, changed = ending.subn(instead, word)
        if changed:
            return singular
    return word
