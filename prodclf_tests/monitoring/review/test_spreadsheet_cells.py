"""No text of a catalogue runs as a formula where people open it, and each comes back as it was."""

from pathlib import Path

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.reading.formats.writers import open_writer
from prodclf_assets.catalog.taxonomy import Taxonomy
from prodclf_assets.catalog.text.series import TEXT_DTYPE
from prodclf_assets.monitoring.review.review_import import Categories, read_review_file
from prodclf_assets.monitoring.review.spreadsheet_cells import quoted_formulas, unquoted_formulas

STARTS = ("=", "+", "-", "@", "\t", "\r")
NO_CHANGES = Taxonomy(changes=())
TEXTS = st.lists(st.text(alphabet="=+-@\t\r\n'a ", max_size=6) | st.none(), max_size=8)


@given(TEXTS)
def test_nothing_begins_like_a_formula_and_all_comes_back(texts: list[str | None]) -> None:
    for dtype in (TEXT_DTYPE, object):
        rows = pd.DataFrame({"title": pd.Series(texts, dtype=dtype), "price": -1.5})
        quoted = quoted_formulas(rows)
        assert not any(text.startswith(STARTS) for text in quoted["title"].dropna())
        pd.testing.assert_frame_equal(unquoted_formulas(quoted), rows)


def test_a_file_that_was_exported_is_read_back_with_the_titles_of_the_shop(tmp_path: Path) -> None:
    titles = ["=1+1 tea", "-20% lamp", "'=tea", "plain"]
    rows = pd.DataFrame({"category": "=Sale > Tea", "title": titles, "brand": "@home"})
    with open_writer(tmp_path / "queue.csv") as writer:
        writer.write(quoted_formulas(rows))
    found = read_review_file(str(tmp_path / "queue.csv"), Categories(["=Sale > Tea"], NO_CHANGES))
    assert found.faults == ()
    assert [row["title"] for row in found.rows] == titles
    assert {row["brand"] for row in found.rows} == {"@home"}
    assert {row["category"] for row in found.rows} == {"=Sale > Tea"}
