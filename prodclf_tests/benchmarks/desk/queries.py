"""Queries of which it is known what they mean, to see how well the desk's picker finds categories."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from prodclf_assets.catalog.columns import PATH_SEPARATOR
from prodclf_assets.catalog.text.normalise import title_key
from prodclf_serving.review_desk.category_search import CategorySearch

KINDS: Final = ("mistyped name", "word of the leaf", "word of the parent", "frequent word of titles")
FIRST: Final = 5
_SHORTEST = 4
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Query(NamedTuple):
    """What is typed for a product whose category is `meant`."""

    kind: str
    text: str
    meant: str
    title: str


def queries_of(
    titles: Mapping[str, Sequence[str]], at_hand: Mapping[str, Sequence[str]], count: int, seed: int
) -> list[Query]:
    """Queries of all kinds in equal parts, of categories drawn at random, with a product of each.

    Args:
        titles: titles of products by category, as the search knows them.
        at_hand: titles of other products, for which it is queried.
        count: how many.
        seed: of what is drawn.
    """
    draw = random.Random(seed)
    labels = sorted(label for label, some in at_hand.items() if some and titles.get(label))
    made: list[Query] = []
    while len(made) < count:
        kind, label = KINDS[len(made) % len(KINDS)], draw.choice(labels)
        text = _text(kind, label, titles[label], draw)
        if text:
            made.append(Query(kind, text, label, draw.choice(at_hand[label])))
    return made


def found_among_first(search: CategorySearch, query: Query, likely: Mapping[str, float]) -> bool:
    """Whether the category that is meant is among the first five."""
    return query.meant in [each.category for each in search.search(query.text, likely, FIRST)]


def _text(kind: str, label: str, titles: Sequence[str], draw: random.Random) -> str:
    *above, leaf = label.split(PATH_SEPARATOR)
    words = [word for word in title_key(leaf).split() if len(word) >= _SHORTEST]
    match kind:
        case "mistyped name":
            return mistyped(leaf, draw) if len(leaf) >= _SHORTEST else ""
        case "word of the leaf":
            return draw.choice(words) if words else ""
        case "word of the parent":
            parents = [
                word for word in title_key(above[-1] if above else "").split() if len(word) >= _SHORTEST
            ]
            return draw.choice(parents) if parents else ""
    counts = Counter(
        word for title in titles for word in set(title_key(title).split()) if len(word) >= _SHORTEST
    )
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:3]
    return draw.choice(frequent) if frequent else ""


def mistyped(text: str, draw: random.Random) -> str:
    """A text with one letter left out, doubled, replaced or swapped with the next."""
    at = draw.randrange(1, len(text) - 1)
    return draw.choice(
        [
            text[:at] + text[at + 1 :],
            text[:at] + text[at] + text[at:],
            text[:at] + draw.choice(_LETTERS) + text[at + 1 :],
            text[:at] + text[at + 1] + text[at] + text[at + 2 :],
        ]
    )
