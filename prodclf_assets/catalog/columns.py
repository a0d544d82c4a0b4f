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
TITLE_KEY_COLUMN: Final = "title_key"
PATH_SEPARATOR: Final = " > "

# A number outside its range says nothing about the product (a sentinel such as -1, a price of 10^30), so it
# counts as missing. Ratings may be on any scale up to 100.
NUMERIC_RANGES: Final[dict[str, tuple[float, float]]] = {
    "price": (0.0, 1e12),
    "list_price": (0.0, 1e12),
    "rating": (0.0, 100.0),
    "reviews_count": (0.0, 1e12),
}
