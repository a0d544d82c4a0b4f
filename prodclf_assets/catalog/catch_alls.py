"""Categories that only say that nobody has filed the product yet, by their names in the languages of shops."""

from typing import Final

from prodclf_assets.catalog.columns import PATH_SEPARATOR
from prodclf_assets.catalog.text.normalise import title_key

_NAMES: Final = """
uncategorized, uncategorised, unclassified, unassigned, unsorted, unspecified, unknown, undefined, not specified, not set,
no category, other, others, misc, miscellaneous, various, everything else, default, default category, tbd,
sonstiges, sonstige, andere, anderes, diverses, verschiedenes, unkategorisiert, nicht kategorisiert, ohne kategorie,
keine kategorie, unbekannt, autre, autres, divers, non classé, non catégorisé, sans catégorie, inconnu, otro, otros, otra,
otras, varios, sin categoría, sin categorizar, sin clasificar, altro, altri, altre, varie, vario, senza categoria,
non categorizzato, outro, outros, outra, outras, diversos, sem categoria, overig, overige, diversen, geen categorie,
niet gecategoriseerd, inne, pozostałe, różne, bez kategorii, övrigt, okategoriserad, andet, annet, muut, diğer, ostatní,
другое, разное, прочее, その他, 未分類, 其他, 未分类, 기타
"""
_KEYS: Final = frozenset(title_key(name) for name in _NAMES.split(","))


def is_catch_all(category: str) -> bool:
    """Whether every level of a path is a catch-all, as `Uncategorized` and `Default Category > Other` are."""
    return all(title_key(level) in _KEYS for level in category.split(PATH_SEPARATOR))


def ends_in_catch_all(category: str) -> bool:
    """Whether the last level of a path is a catch-all, as in `Toys > Other`: the branch is known, and is an answer."""
    return title_key(category.rpartition(PATH_SEPARATOR)[2]) in _KEYS
