"""Finding a category by what people type: words of every level, words of its products' titles, and typing errors."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, takewhile
from typing import Final, NamedTuple

from rapidfuzz import fuzz, process

from prodclf_assets.catalog.columns import LABEL_COLUMN, PATH_SEPARATOR
from prodclf_assets.catalog.text.normalise import title_key
from prodclf_assets.lake import Lake

TITLES_A_CATEGORY: Final = 400
"""Titles of a category that are looked through; more tell nothing new."""
EXAMPLES: Final = 3
_LEAF, _ABOVE, _TITLE, _PREFIX, _PRIOR = 1.0, 0.55, 0.75, 0.9, 0.8
_LEAST_SHARE = 0.03  # of a category's titles, for a word to be one of its words
_LIKE = 72  # of 100, for a word to be a mistyped other


class Found(NamedTuple):
    """A category, and products that are in it."""

    category: str
    examples: list[str]


class CategorySearch:
    """An index of a model's categories, built once a model.

    Args:
        labels: category paths.
        titles: titles of products by category; of categories that are none of `labels` nothing is kept.
    """

    def __init__(self, labels: Sequence[str], titles: Mapping[str, Sequence[str]]) -> None:
        self.labels = list(labels)
        self._leaves = [title_key(label.rpartition(PATH_SEPARATOR)[2]) for label in labels]
        self._examples = [list(titles.get(label, ()))[:EXAMPLES] for label in labels]
        self._places = {label: at for at, label in enumerate(labels)}
        weights: dict[str, dict[int, float]] = defaultdict(dict)
        for at, label in enumerate(labels):
            for word, weight in _words(label, titles.get(label, ())).items():
                weights[word][at] = weight
        self._weights = dict(weights)
        self._vocabulary = sorted(self._weights)

    def examples(self, label: str) -> list[str]:
        """Titles of products in a category."""
        return self._examples[self._places[label]] if label in self._places else []

    def search(self, text: str, likely: Mapping[str, float], most: int) -> list[Found]:
        """The categories that a text may mean, likeliest first; without a text, the likeliest of the product.

        Args:
            text: what was typed.
            likely: categories that are likely whatever was typed, and how likely (0..1): the model's answers for the product
                at hand, what the person chose lately.
            most: how many.
        """
        query = title_key(text)
        ratings: dict[int, float] = defaultdict(float)
        words = query.split()
        for word in words:
            best: dict[int, float] = {}
            for known, likeness in self._like(word):
                for at, weight in self._weights[known].items():
                    best[at] = max(best.get(at, 0.0), weight * likeness)
            for at, rating in best.items():
                ratings[at] += rating / len(words)
        for leaf, likeness, at in (
            process.extract(query, self._leaves, scorer=fuzz.ratio, limit=5) if query else ()
        ):
            if likeness >= _LIKE and leaf:
                ratings[at] += likeness / 100
        for label, share in likely.items():
            at = self._places.get(label, -1)
            if at >= 0 and (ratings.get(at, 0.0) > 0 or not words):
                ratings[at] += _PRIOR * share
        order = sorted(ratings, key=lambda at: (-ratings[at], len(self._leaves[at]), self.labels[at]))
        return [Found(self.labels[at], self._examples[at]) for at in order[:most]]

    def _like(self, word: str) -> Iterable[tuple[str, float]]:
        """The known words that a typed one may be, and how much it is like each (0..1)."""
        if word in self._weights:
            yield word, 1.0
        if len(word) < 3:
            return
        for known, likeness, _ in process.extract(
            word, self._vocabulary, scorer=fuzz.ratio, score_cutoff=_LIKE, limit=12
        ):
            yield known, (likeness / 100) ** 2
        first = bisect_left(self._vocabulary, word)
        for known in takewhile(lambda each: each.startswith(word), islice(self._vocabulary, first, None)):
            if known != word:
                yield known, _PREFIX


def read_titles(lake: Lake, labels: Iterable[str]) -> dict[str, list[str]]:
    """Titles of the products of the latest clean catalogue, some of each category; none where there is no catalogue.

    Raises:
        LakeError: the lake cannot be read.
    """
    import pyarrow.parquet as pq

    wanted = dict.fromkeys(labels)
    titles: dict[str, list[str]] = defaultdict(list)
    version = lake.find_latest("clean_products")
    if version is None:
        return titles
    with lake.opened(version) as folder:
        file = pq.ParquetFile(folder / "table.parquet")
        for batch in file.iter_batches(columns=["title", LABEL_COLUMN]):
            pairs = zip(batch[LABEL_COLUMN].to_pylist(), batch["title"].to_pylist(), strict=True)
            for label, title in pairs:
                if label in wanted and len(titles[label]) < TITLES_A_CATEGORY:
                    titles[label].append(title)
    return titles


def _words(label: str, titles: Sequence[str]) -> dict[str, float]:
    """The words by which a category is found, and how much each tells (0..1)."""
    counts = Counter(word for title in titles for word in set(title_key(title).split()) if not word.isdigit())
    words = {
        word: _TITLE * count / len(titles)
        for word, count in counts.items()
        if count >= max(2, _LEAST_SHARE * len(titles))
    }
    *above, leaf = label.split(PATH_SEPARATOR)
    names = [(_ABOVE, level) for level in above] + [(_LEAF, leaf)]
    for weight, name in names:
        for word in title_key(name).split():
            words[word] = max(weight, words.get(word, 0.0)) + words.get(word, 0.0) / 4
    return words
