"""Names of a product's fields and the ranges their numbers can have; plain Python, so that serving starts fast."""

from typing import Final

TEXT_COLUMNS: Final = ("title", "description", "brand", "subcategory")
ID_COLUMNS: Final = ("product_id", "seller_id")
NUMERIC_COLUMNS: Final = ("price", "list_price", "rating", "reviews_count")
PRODUCT_COLUMNS: Final = (
    "product_id",
    "title",
    "description",
    "brand",
    "seller_id",
    "subcategory",
    *NUMERIC_COLUMNS,
)
LABEL_COLUMN: Final = "category"
OTHER_CATEGORIES_COLUMN: Final = "other_categories"
"""The other categories that a product is listed under: paths, sorted, joined by `CATEGORY_SEPARATOR`; missing for none."""
COPIES_COLUMN: Final = "copies"
"""How many rows of the catalogue list the same product under the same category, this one included: int32, 1 or more."""
TITLE_KEY_COLUMN: Final = "title_key"
PATH_SEPARATOR: Final = " > "
CATEGORY_SEPARATOR: Final = "\n"
"""Between categories in one text; no text in normal form has a line break."""

# A number outside its range says nothing about the product (a sentinel such as -1, a price of 10^30), so it
# counts as missing. Ratings may be on any scale up to 100.
NUMERIC_RANGES: Final[dict[str, tuple[float, float]]] = {
    "price": (0.0, 1e12),
    "list_price": (0.0, 1e12),
    "rating": (0.0, 100.0),
    "reviews_count": (0.0, 1e12),
}
