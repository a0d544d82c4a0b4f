"""Titles and descriptions of the sample catalogue, as untidy as sellers write them, made column by column."""

from typing import Any

import numpy as np
import numpy.typing as npt

from prodclf_assets.catalog.sample.shop import Ints, Shop, Words
from prodclf_assets.catalog.sample.words import MARKETING, SENTENCES, SERIES

_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_CODE_HEADS = np.array([a + b for a in _LETTERS for b in (*_LETTERS, "-", "X-")], dtype=object)
_CODE_TAILS = np.array([str(number) for number in range(100, 5000)], dtype=object)
_MARKETING, _SERIES, _SENTENCES = (np.array(words, dtype=object) for words in (MARKETING, SERIES, SENTENCES))

# The order of the parts below in a title: four habits of sellers and how common each is.
_PARTS = ("brand", "series", "code", "first", "noun", "second", "size", "variant", "marketing")
_ORDERS = (
    ("brand", "series", "first", "noun", "second", "variant", "size", "code", "marketing"),
    ("brand", "noun", "first", "second", "code", "variant", "size", "marketing"),
    ("marketing", "brand", "first", "noun", "series", "size", "second", "variant"),
    ("noun", "first", "second", "brand", "size", "code", "variant"),
)
_ORDER_CDF = np.array([0.42, 0.66, 0.82, 1.0])


def title_texts(shop: Shop, leaf: Ints, brand: Words, rng: np.random.Generator) -> Words:
    """One title per row; `brand` is "" where the product has none.

    A good part of the titles names the product by a word that other leaves share, or not at all.
    """
    rows = len(leaf)
    department = shop.department[leaf]
    parts = _title_parts(shop, leaf, department, rng)
    parts["brand"] = _sometimes(brand, 0.72, rng)
    nameless = (rng.random(rows) < 0.12) & (parts["first"] != "")
    parts["noun"][nameless] = ""
    order = np.searchsorted(_ORDER_CDF, rng.random(rows), side="right")
    titles = np.empty(rows, dtype=object)
    for number, names in enumerate(_ORDERS):
        chosen = np.flatnonzero(order == number)
        titles[chosen] = _joined([parts[name][chosen] for name in names])
    # A title of marketing or a size alone is no product: those keep their name.
    titles = np.where(titles == "", shop.nouns.pick(leaf, rng.random(rows)), titles)
    return _untidy(_cased(titles, rng), rng)


def _title_parts(shop: Shop, leaf: Ints, department: Ints, rng: np.random.Generator) -> dict[str, Words]:
    rows = len(leaf)
    draw = rng.random
    shared = draw(rows) < 0.36
    sibling = shop.family_start[leaf] + (draw(rows) * shop.family_count[leaf]).astype(np.int64)
    property_of = np.where(draw(rows) < 0.16, sibling, leaf)
    extras = shop.extras.pick(department, draw(rows))
    own = shop.descriptors.pick(property_of, draw(rows))
    second = np.where(draw(rows) < 0.55, extras, shop.descriptors.pick(leaf, draw(rows)))
    return {
        "series": _sometimes(_SERIES[rng.integers(0, len(_SERIES), rows)], 0.16, rng),
        "code": _sometimes(_codes(rows, rng), 0.17, rng),
        "first": _sometimes(np.where(draw(rows) < 0.2, extras, own), 0.66, rng),
        "noun": np.where(shared, shop.shared_nouns.pick(leaf, draw(rows)), shop.nouns.pick(leaf, draw(rows))),
        "second": _sometimes(second, 0.32, rng),
        "size": _sometimes(shop.sizes.pick(department, draw(rows)), 0.5, rng),
        "variant": _sometimes(shop.variants.pick(department, draw(rows)), 0.4, rng),
        "marketing": _sometimes(_MARKETING[rng.integers(0, len(_MARKETING), rows)], 0.2, rng),
    }


def description_texts(shop: Shop, leaf: Ints, brand: Words, rng: np.random.Generator) -> Words:
    """One to four sentences per row, mostly of the kind that fits any product."""
    rows = len(leaf)
    department = shop.department[leaf]
    general = [_SENTENCES[rng.integers(0, len(_SENTENCES), rows)] for _ in range(2)]
    maker = np.where(brand == "", "", "By " + brand + ".")
    feature = "Features: " + shop.descriptors.pick(leaf, rng.random(rows)) + "."
    extra = "It is " + shop.extras.pick(department, rng.random(rows)) + "."
    noun = np.where(
        rng.random(rows) < 0.5,
        shop.shared_nouns.pick(leaf, rng.random(rows)),
        shop.nouns.pick(leaf, rng.random(rows)),
    )
    name = "The " + noun + " you were looking for."
    parts = [
        _sometimes(name, 0.25, rng),
        _sometimes(feature, 0.25, rng),
        general[0],
        _sometimes(extra, 0.3, rng),
        _sometimes(maker, 0.2, rng),
        _sometimes(general[1], 0.5, rng),
    ]
    return _joined(parts)


def reworded(titles: Words, rng: np.random.Generator) -> Words:
    """The same titles as another seller lists them: other letter case, spacing and punctuation, the same words."""
    way = rng.integers(0, 5, size=len(titles))
    changed = [_REWORDINGS[number](title) for number, title in zip(way, titles, strict=True)]
    return _objects(changed)


_REWORDINGS = (
    str.upper,
    str.lower,
    lambda title: title + "!",
    lambda title: title.replace(" ", "  ", 1),
    lambda title: title.replace(" ", ", ", 1),
)


def _objects(values: list[str]) -> Words:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _joined(parts: list[Words]) -> Words:
    return _objects([" ".join(filter(None, row)) for row in zip(*parts, strict=True)])


def _sometimes(words: npt.NDArray[Any], share: float, rng: np.random.Generator) -> Words:
    return np.where(rng.random(len(words)) < share, words, "")


def _codes(rows: int, rng: np.random.Generator) -> Words:
    codes: Words = (
        _CODE_HEADS[rng.integers(0, len(_CODE_HEADS), rows)]
        + _CODE_TAILS[rng.integers(0, len(_CODE_TAILS), rows)]
    )
    return codes


def _cased(titles: Words, rng: np.random.Generator) -> Words:
    """Most sellers capitalise each word; some shout, some never do."""
    habit = rng.random(len(titles))
    cased = [
        title.title() if h < 0.68 else title if h < 0.88 else title.upper()
        for title, h in zip(titles.tolist(), habit.tolist(), strict=True)
    ]
    return _objects(cased)


def _untidy(titles: Words, rng: np.random.Generator) -> Words:
    """Typing errors in one title of ten, odd spacing and HTML entities in a few."""
    rows = len(titles)
    kind = rng.random(rows)
    place = rng.random(rows)
    for row in np.flatnonzero(kind < 0.10):
        titles[row] = _mistyped(titles[row], place[row])
    for row in np.flatnonzero((kind >= 0.10) & (kind < 0.12)):
        titles[row] = titles[row].replace(" ", "  ") + " "
    for row in np.flatnonzero((kind >= 0.12) & (kind < 0.14)):
        titles[row] = titles[row].replace(" ", " &amp; ", 1)
    return titles


def _mistyped(title: str, place: float) -> str:
    """One letter swapped with the next, left out, or typed twice."""
    at = int(place * max(1, len(title) - 2)) + 1
    way = int(place * 1e6) % 3
    if way == 0:
        return title[:at] + title[at + 1 : at + 2] + title[at : at + 1] + title[at + 2 :]
    return title[:at] + title[at + 1 :] if way == 1 else title[:at] + title[at - 1 : at] + title[at:]
