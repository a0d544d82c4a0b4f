"""What shops usually call the columns of a product file."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Final

USUAL_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "product_id": (
        "product_id",
        "productid",
        "sku",
        "asin",
        "item_id",
        "uniq_id",
        "pid",
        "id",
        "product_code",
        "gtin",
        "ean",
    ),
    "title": (
        "title",
        "product_title",
        "product_name",
        "item_title",
        "item_name",
        "listing_title",
        "name",
        "product",
        "item",
    ),
    "description": (
        "description",
        "product_description",
        "long_description",
        "item_description",
        "about_product",
        "body_html",
        "short_description",
        "details",
        "desc",
    ),
    "brand": ("brand", "brand_name", "product_brand", "manufacturer", "maker", "vendor"),
    "seller_id": (
        "seller_id",
        "merchant_id",
        "vendor_id",
        "shop_id",
        "store_id",
        "seller",
        "seller_name",
        "merchant",
    ),
    "subcategory": (
        "subcategory",
        "seller_category",
        "seller_subcategory",
        "vendor_category",
        "category_hint",
    ),
    "price": (
        "price",
        "sale_price",
        "selling_price",
        "discount_price",
        "discounted_price",
        "final_price",
        "offer_price",
        "current_price",
        "unit_price",
    ),
    "list_price": (
        "list_price",
        "market_price",
        "mrp",
        "actual_price",
        "original_price",
        "retail_price",
        "regular_price",
        "rrp",
        "msrp",
    ),
    "rating": (
        "rating",
        "ratings",
        "average_rating",
        "avg_rating",
        "product_rating",
        "review_rating",
        "stars",
        "star_rating",
    ),
    "reviews_count": (
        "reviews_count",
        "no_of_ratings",
        "review_count",
        "rating_count",
        "ratings_count",
        "number_of_reviews",
        "number_of_ratings",
        "num_reviews",
        "num_ratings",
        "no_of_reviews",
        "total_reviews",
        "total_ratings",
        "reviews",
    ),
}
"""Per field of a product, the names a column may have, the surest first, in snake case."""
# In German, French, Spanish, Italian, Portuguese, Dutch, Polish and Japanese.
_FOREIGN: Final = {
    "product_id": "artikelnummer, artikel_nr, art_nr, référence, référence_produit, referencia, código, codice, codice_articolo, "
    "código_produto, artikelcode, kod_produktu, indeks, 商品番号, 商品コード, 商品ID",
    "title": "produktname, artikelname, artikelbezeichnung, bezeichnung, produktbezeichnung, titel, nom_du_produit, nom_produit, "
    "titre, désignation, libellé, nom, nombre_del_producto, nombre_producto, título, nombre, nome_prodotto, nome_del_prodotto, "
    "titolo, nome_do_produto, nome_produto, nome, productnaam, artikelnaam, naam, nazwa_produktu, nazwa, tytuł, 商品名, 製品名, 商品名称",
    "description": "beschreibung, produktbeschreibung, artikelbeschreibung, langtext, description_du_produit, descripción, "
    "descrizione, descrição, omschrijving, productomschrijving, beschrijving, opis, opis_produktu, 商品説明, 説明",
    "brand": "brands, marke, hersteller, marque, fabricant, marca, fabricante, produttore, merk, fabrikant, marka, producent, "
    "ブランド, ブランド名, メーカー",
    "seller_id": "verkäufer, händler, vendeur, vendedor, venditore, verkoper, sprzedawca, 販売者",
    "price": "preis, verkaufspreis, vk_preis, vk, prix, prix_de_vente, precio, precio_de_venta, prezzo, preço, preço_de_venda, "
    "prijs, verkoopprijs, cena, cena_sprzedaży, 価格, 販売価格",
    "list_price": "uvp, listenpreis, prix_conseillé, prix_barré, precio_original, prezzo_di_listino, preço_original, adviesprijs, "
    "cena_katalogowa, 定価",
    "rating": "bewertung, note_moyenne, valoración, valutazione, avaliação, beoordeling, ocena, 評価",
    "reviews_count": "anzahl_bewertungen, nombre_d_avis, número_de_reseñas, numero_recensioni, número_de_avaliações, "
    "aantal_beoordelingen, liczba_opinii, レビュー数",
    "category": "kategorie, warengruppe, produktgruppe, produktkategorie, catégorie, categoría, categoria, categorie, kategoria, "
    "カテゴリ, カテゴリー",
}

_WHOLE_PATHS = (
    "category_path",
    "category_tree",
    "product_category_tree",
    "breadcrumbs",
    "breadcrumb",
    "google_product_category",
)
# `subcategory` in one word is not here: it is the product's own field, the seller's hint.
_LEVELS = (
    ("department",),
    ("main_category", "master_category", "top_category", "primary_category", "parent_category"),
    ("category", "product_category"),
    ("sub_category", "sub_cat", "subcat", "child_category", "secondary_category"),
    ("sub_sub_category", "article_type", "leaf_category", "product_type", "type"),
)
_SINGLE = ("categories", "category_name", "sub_category", "product_type", "label")
_NUMBERED = re.compile(
    r"(?:category|cat|level|lvl|l|category_level|category_l|category_lvl|cat_level)_?([1-9])(?:_category|_name)?"
)


def snake_case(name: str) -> str:
    """Write a column name in lower snake case: `masterCategory`, `Master Category` and `master-category` are one name.

    Accents go; letters of all scripts stay.
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    if not parted.isascii():
        plain = "".join(c for c in unicodedata.normalize("NFKD", parted) if not "\u0300" <= c <= "\u036f")
        parted = unicodedata.normalize("NFKC", plain)
    return re.sub(r"[\W_]+", "_", parted.lower()).strip("_")


_FOREIGN_NAMES = {field: [snake_case(name) for name in names.split(",")] for field, names in _FOREIGN.items()}
_FIELD_NAMES = {field: (*names, *_FOREIGN_NAMES.get(field, ())) for field, names in USUAL_NAMES.items()}
_EVERY_NAME = frozenset(name for names in _FIELD_NAMES.values() for name in names)


def is_usual(column: str) -> bool:
    """Whether a column has a usual name of a field or of a whole path."""
    return snake_case(column) in _EVERY_NAME or snake_case(column) in _WHOLE_PATHS


def find_fields(columns: Sequence[str], poor: Collection[str] = ()) -> dict[str, str]:
    """Match columns to product fields by their usual names; each column serves one field.

    Args:
        columns: of the file, in its order.
        poor: columns that say little (see `poor_columns`), taken only where no other has a usual name.
    """
    # Of two columns whose names differ in case alone, the one that says more.
    by_name = _by_snake_name(sorted(columns, key=lambda column: column in poor))
    found: dict[str, str] = {}
    for field, names in _FIELD_NAMES.items():
        known = [by_name[name] for name in names if name in by_name]
        free = sorted((column for column in known if column not in found.values()), key=lambda c: c in poor)
        if free:
            found[field] = free[0]
    return found


def find_category_path(columns: Sequence[str], poor: Collection[str] = ()) -> list[str]:
    """Match columns to the levels of a category path, coarse to fine; empty when none has a usual name.

    A column of whole paths that is among the `poor` ones is taken only where there is no other.
    """
    rich = [name for name in columns if name not in poor or snake_case(name) not in _WHOLE_PATHS]
    if len(rich) < len(columns):
        return find_category_path(rich) or find_category_path(columns)
    by_name = _by_snake_name(columns)
    for name in _WHOLE_PATHS:
        if name in by_name:
            return [by_name[name]]
    numbered = {match[1]: column for name, column in by_name.items() if (match := _NUMBERED.fullmatch(name))}
    if "1" in numbered:
        return [numbered[level] for level in sorted(numbered)]
    if levels := _levels(by_name):
        return levels
    return next(([by_name[name]] for name in (*_SINGLE, *_FOREIGN_NAMES["category"]) if name in by_name), [])


def _levels(by_name: Mapping[str, str]) -> list[str]:
    chain = [next((name for name in names if name in by_name), None) for names in _LEVELS]
    if not any(chain[:3]):
        return []
    # `type` says something about categories only below a subcategory; alone it may be anything.
    if chain[4] == "type" and chain[3] is None:
        chain[4] = None
    return [by_name[name] for name in chain if name is not None]


def _by_snake_name(columns: Sequence[str]) -> dict[str, str]:
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(snake_case(column), column)
    return by_name
