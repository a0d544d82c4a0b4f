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


def out_of_range(field: str, number: float) -> str | None:
    """Return what is wrong with a number that its field cannot have, such as a negative price; None when nothing is."""
    low, high = NUMERIC_RANGES[field]
    if number < low or number > high:
        return f"{number:g} is not between {low:g} and {high:g}"
    return None


def number_fault(field: str, shown: str, number: float, failed: bool) -> str | None:
    """Return what is wrong with a number and what was done about it; None when nothing is wrong.

    Args:
        field: of the product.
        shown: the value as a message quotes it.
        number: what was read; NaN when nothing could be.
        failed: whether the value is not one finite number (see `number_from_text`).
    """
    if wrong := out_of_range(field, number):
        return f"{wrong}; taken as missing"
    if not failed:
        return None
    if number == number:
        return f"{shown} is a range; its lower end {number:g} is taken"
    return f"{shown} is not a number; taken as missing"
