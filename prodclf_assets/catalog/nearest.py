"""The categories that a mistaken one may have meant."""

from collections.abc import Iterable
from difflib import SequenceMatcher

from prodclf_assets.catalog.columns import PATH_SEPARATOR

_SUGGESTIONS = 5


def nearest_categories(category: str, labels: Iterable[str]) -> list[str]:
    """The labels that a mistaken category may have meant, likeliest first, at most five.

    Labels below it come first if it is a branch; then those whose path or last level is spelt most like it.
    """
    wanted = category.casefold()
    leaf = wanted.rpartition(PATH_SEPARATOR)[2]
    whole, last = (SequenceMatcher(None, b=text, autojunk=False) for text in (wanted, leaf))

    def likeness(label: str) -> float:
        path = label.casefold()
        if path == wanted or path.startswith(wanted + PATH_SEPARATOR):
            return 2.0
        whole.set_seq1(path)
        last.set_seq1(path.rpartition(PATH_SEPARATOR)[2])
        return max(whole.ratio(), last.ratio())

    rated = sorted((-likeness(label), label) for label in labels)
    return [label for rating, label in rated[:_SUGGESTIONS] if rating <= -0.5]
