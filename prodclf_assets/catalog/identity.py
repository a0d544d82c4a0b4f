"""What makes two rows, labels or answers be about one product: the title's key and the brand's, and nothing else.

Ids change from export to export, and prices from day to day. Brands that share a title are different products.
"""

from typing import TYPE_CHECKING, Final

from prodclf_assets.catalog.columns import TITLE_KEY_COLUMN
from prodclf_assets.catalog.text.normalise import title_key

if TYPE_CHECKING:
    import pandas as pd

# No key has a control character.
_MARK: Final = "\x1f"


def product_key(frame: "pd.DataFrame") -> "pd.Series":
    """Return what tells each row's product from others.

    Args:
        frame: has the column `title`, and may have `brand` and `title_key`, which is not computed again then.

    Returns:
        Texts with the index of `frame`; missing where the row has no title.
    """
    import pandas as pd

    from prodclf_assets.catalog.text.series import TEXT_DTYPE, joined_texts, title_keys

    titles = frame[TITLE_KEY_COLUMN] if TITLE_KEY_COLUMN in frame else title_keys(frame["title"])
    brands = title_keys(frame["brand"]) if "brand" in frame else pd.Series(pd.NA, frame.index, TEXT_DTYPE)
    keys = pd.Series(pd.array(joined_texts([titles, brands], _MARK), dtype=TEXT_DTYPE), frame.index)
    return keys.mask((titles.isna() | (titles == "")).to_numpy(dtype=bool, na_value=True))


def product_key_of(title: str | None, brand: str | None) -> str:
    """Return the `product_key` of one product; "" where it has no title."""
    key = title_key(title or "")
    return f"{key}{_MARK}{title_key(brand or '')}" if key else ""
