import io
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodclf_assets.catalog.event_logs import FEEDBACK
from prodclf_assets.catalog.taxonomy import Change, Taxonomy
from prodclf_assets.errors import SourceError
from prodclf_assets.lake import Lake
from prodclf_assets.monitoring.review.human_labels import human_labels
from prodclf_assets.monitoring.review.review_import import (
    Categories,
    ReviewError,
    annotations_table,
    read_review_file,
    without_repeats,
)

KNOWN = ["Grocery > Tea", "Grocery > Coffee", "Toys > Puzzles", "Toys > Cars", "Home > Lamps"]
TAXONOMY = Taxonomy(
    changes=(
        Change(rename="Toys > Cars", to="Toys > Vehicles"),
        Change(split="Home > Lamps", into=("Home > Desk lamps", "Home > Floor lamps")),
    )
)
CATEGORIES = Categories(KNOWN, TAXONOMY)

FILLED = """category,title,brand,predicted_category,confidence,price,product_id,request_id,model_version
Grocery > Tea,Green tea,Orzo,Grocery > Coffee,0.4,"3,50",1,r-1,4
ok,Jigsaw 500,Kasol,Toys > Puzzles,0.5,,2,r-2,4
,Unsure thing,,Toys > Puzzles,0.3,,3,r-3,4
 toys>vehicles ,Red racer,,Toys > Puzzles,0.3,,,r-4,4
"""


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    path = tmp_path / "queue.csv"
    path.write_text(FILLED, encoding="utf-8")
    return path


def test_a_filled_in_file_becomes_feedback(filled: Path) -> None:
    found = read_review_file(str(filled), CATEGORIES, "asha")
    assert found.faults == ()
    assert found.blank == 1
    assert [row["category"] for row in found.rows] == ["Grocery > Tea", "Toys > Puzzles", "Toys > Vehicles"]
    first = found.rows[0]
    assert (first["product_id"], first["price"], first["reviewer"]) == ("1", 3.5, "asha")
    assert (first["predicted_category"], first["request_id"], first["model_version"]) == (
        "Grocery > Coffee", "r-1", "4",
    )  # fmt: skip
    assert {row["source"] for row in found.rows} == {"file"}
    table = annotations_table(found.rows, datetime(2030, 1, 1, tzinfo=UTC))
    assert table.schema == FEEDBACK.arrow
    assert table.num_rows == 3


@pytest.mark.parametrize("form", ["semicolons", "windows", "parquet", "jsonl", "mark"])
def test_what_spreadsheets_and_programs_make_of_the_file_is_understood(tmp_path: Path, form: str) -> None:
    frame = pd.read_csv(io.StringIO(FILLED.replace("Orzo", "Orzó")), dtype="string")
    path = tmp_path / f"back.{ {'parquet': 'parquet', 'jsonl': 'jsonl'}.get(form, 'csv') }"
    if form == "semicolons":
        frame.to_csv(path, index=False, sep=";")
    elif form == "windows":
        frame.to_csv(path, index=False, encoding="cp1252", lineterminator="\r\n")
    elif form == "mark":
        frame.to_csv(path, index=False, encoding="utf-8-sig")
    elif form == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    found = read_review_file(str(path), CATEGORIES)
    assert [row["category"] for row in found.rows] == ["Grocery > Tea", "Toys > Puzzles", "Toys > Vehicles"]
    assert found.rows[0]["brand"] == "Orzó"


def fault_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "queue.csv"
    path.write_text(text, encoding="utf-8")
    found = read_review_file(str(path), CATEGORIES)
    assert len(found.faults) == 1
    return str(found.faults[0])


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("Grocery > Te,Green tea,,", "row 3, column 'category': 'Grocery > Te' is not a category of the catalogue; did you mean 'Grocery > Tea'"),
        ("Puzzles,Jigsaw,,", "did you mean 'Toys > Puzzles'"),
        ("Grocery,Green tea,,", "did you mean 'Grocery > Coffee' or 'Grocery > Tea'?"),
        ("qqqqqqqq,Green tea,,", "'qqqqqqqq' is not a category of the catalogue; see `prodclf models show`"),
        ("Home > Lamps,Lamp,,", "no category any more (split Home > Lamps → Home > Desk lamps, Home > Floor lamps)"),
        ("Grocery > Tea,,,", "row 3, column 'title': no title"),
        ("OK,Green tea,,", "'ok' agrees with predicted_category, which is empty; write the category"),
        ("ok,Green tea,,Home > Lamps", "no category any more"),
        ("Toys > Puzzles,MUG,orzo,", "the same product is 'Grocery > Tea' in row 2; keep one of the two"),
        ("Toys > Puzzles,Mug!,Orzó,", "the same product is 'Grocery > Tea' in row 2; keep one of the two"),
    ],
)  # fmt: skip
def test_a_fault_names_file_row_column_and_remedy(tmp_path: Path, row: str, says: str) -> None:
    text = f"category,title,brand,predicted_category\nGrocery > Tea,mug,Orzo,\n{row}\n"
    message = fault_of(tmp_path, text)
    assert message.startswith("queue.csv row 3, column ")
    assert says in message


def test_a_row_is_counted_as_a_text_editor_counts_it(tmp_path: Path) -> None:
    text = 'category,title\nGrocery > Tea,"two\nlines"\nNonsense,mug\n'
    assert "queue.csv row 4, column 'category'" in fault_of(tmp_path, text)


def test_a_line_cut_short_is_a_fault(tmp_path: Path) -> None:
    assert "queue.csv row 3" in fault_of(
        tmp_path, "category,title,brand\nGrocery > Tea,mug,a\nGrocery > Tea\n"
    )


def test_a_former_name_is_todays(tmp_path: Path, filled: Path) -> None:
    filled.write_text("category,title\nToys > Cars,Red racer\n", encoding="utf-8")
    assert read_review_file(str(filled), CATEGORIES).rows[0]["category"] == "Toys > Vehicles"


@pytest.mark.parametrize("column", ["title", "category"])
def test_a_file_without_what_it_takes_is_refused(tmp_path: Path, column: str) -> None:
    path = tmp_path / "queue.csv"
    path.write_text(FILLED.replace(column, "renamed", 1), encoding="utf-8")
    with pytest.raises(ReviewError, match=f"queue.csv has no column '{column}'; its columns are"):
        read_review_file(str(path), CATEGORIES)
    with pytest.raises(SourceError):
        read_review_file(str(tmp_path / "none.csv"), CATEGORIES)


def test_several_files_are_one_answer_and_a_reviewer_who_signed_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("category,title,reviewer\nGrocery > Tea,mug,bo\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("category,title\nNonsense,mug\n", encoding="utf-8")
    found = read_review_file(str(tmp_path / "*.csv"), CATEGORIES, "asha")
    assert [row["reviewer"] for row in found.rows] == ["bo"]
    assert [fault.file for fault in found.faults] == ["b.csv"]


def test_one_product_in_two_categories_is_refused_however_its_title_is_written(tmp_path: Path) -> None:
    message = fault_of(
        tmp_path, 'category,title\nGrocery > Tea,"Green tea, 500 g"\nGrocery > Coffee,Green tea 500 g\n'
    )
    assert message.startswith(
        "queue.csv row 3, column 'category': the same product is 'Grocery > Tea' in row 2"
    )
    (tmp_path / "more.csv").write_text("category,title\nGrocery > Tea,GREEN TEA (500 g)\n", encoding="utf-8")
    faults = read_review_file(str(tmp_path / "*.csv"), CATEGORIES).faults
    assert [str(fault) for fault in faults] == [
        "queue.csv row 3, column 'category': the same product is 'Grocery > Tea' in more.csv row 2; keep one of the two"
    ]


def test_what_is_known_already_is_not_said_again(filled: Path, lake: Lake) -> None:
    rows = read_review_file(str(filled), CATEGORIES).rows
    assert without_repeats(rows, human_labels(lake).table) == rows
    at = datetime(2030, 1, 1, tzinfo=UTC)
    lake.events(FEEDBACK).append(annotations_table(rows, at), "test", at)
    labels = human_labels(lake).table
    assert without_repeats(rows, labels) == []
    changed = [{**rows[0], "category": "Toys > Puzzles"}, {**rows[1], "predicted_category": None}]
    assert without_repeats(changed, labels) == changed


cells = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


@settings(max_examples=40)
@given(rows=st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=6))
def test_whatever_the_cells_hold_every_row_is_answered_blank_or_a_fault(
    rows: list[tuple[str, str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "queue.parquet"
    pd.DataFrame(rows, columns=["category", "title", "predicted_category"]).to_parquet(path)
    found = read_review_file(str(path), CATEGORIES)
    assert len(found.rows) + found.blank + len(found.faults) == len(rows)
    assert all(fault.message and fault.row for fault in found.faults)
    assert {row["category"] for row in found.rows} <= {*KNOWN, *TAXONOMY.targets}


def test_ok_takes_the_suggested_category_and_keep_the_shops(tmp_path: Path) -> None:
    path = tmp_path / "suspects.csv"
    path.write_text(
        "category,title,listed_category,predicted_category\n"
        "keep,Green tea,Grocery > Tea,Toys > Puzzles\nOk,Jigsaw,Grocery > Tea,Toys > Puzzles\nKeep,Racer,,Toys > Cars\n"
    )
    found = read_review_file(str(path), CATEGORIES)
    assert [row["category"] for row in found.rows] == ["Grocery > Tea", "Toys > Puzzles"]
    assert {row["predicted_category"] for row in found.rows} == {"Toys > Puzzles"}
    assert [str(fault) for fault in found.faults] == [
        "suspects.csv row 4, column 'category': 'keep' agrees with listed_category, which is empty; write the category"
    ]
