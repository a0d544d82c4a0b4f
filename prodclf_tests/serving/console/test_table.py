"""A CSV file given to the console: sent in parts, its progress seen, the whole given back."""

import csv
import io
import json
import random
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from prodclf_assets.classifier.scoring.score_table import SCORE_COLUMNS
from prodclf_tests.catalog.reading.workbooks import xlsx
from prodclf_tests.serving.console.conftest import Site, serious

ROWS = 700
WORDS = ["Basmati rice", "Water bottle", "Cotton towel", "Green tea", "Yoga mat", 'Jigsaw, "big"', "Thé noir"]


def shop(path: Path, rows: int = ROWS, delimiter: str = ",", encoding: str = "utf-8") -> Path:
    """A file with commas, quotes and line ends inside its fields, and a column named as one of the answer's."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["sku", "title", "price", "decision"])
        for number in range(rows):
            decision = "mine\nand yours" if number % 3 else ""
            writer.writerow([number, f"{WORDS[number % 7]} {number}", "9,99", decision])
    return path


def saved(page: Page) -> tuple[str, list[dict[str, str]]]:
    """Name and rows of the file that the page offers."""
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the filed table").click()
    text = Path(download.value.path()).read_text("utf-8-sig")
    return download.value.suggested_filename, list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (";", "cp1252"), ("\t", "utf-16")])
def test_a_file_comes_back_whole_though_it_went_in_parts(page: Page, tmp_path, delimiter, encoding):
    parts: list[int] = []
    page.on("response", lambda each: parts.append(each.status) if each.url.endswith("batch") else None)
    source = shop(tmp_path / "shop.csv", delimiter=delimiter, encoding=encoding)
    page.locator("#file").set_input_files(source)
    expect(page.locator("#outcome")).to_contain_text(f"Done: {ROWS} rows")
    # More than the service takes at once, so the page has learnt its limit and gone on with smaller parts.
    assert parts[0] == 413
    assert parts[1:].count(200) == len(parts) - 1 >= 3
    name, rows = saved(page)
    assert name == "filed-shop.csv"
    assert list(rows[0]) == ["sku", "title", "price", "input_decision", *SCORE_COLUMNS]
    assert [row["sku"] for row in rows] == [str(number) for number in range(ROWS)]
    assert rows[1]["input_decision"] == "mine\nand yours"
    assert rows[6]["title"] == "Thé noir 6"
    assert all(row["predicted_category"] for row in rows)
    for decision, word in {"auto": "filed", "review": "to check", "abstain": "unknown"}.items():
        count = sum(row["decision"] == decision for row in rows)
        expect(page.locator("#outcome")).to_contain_text(f"{count} {word}")


def test_a_workbook_is_filed_like_its_rows(page: Page, tmp_path):
    source = tmp_path / "shop.xlsx"
    lines = [
        ["sku", "title", "price"],
        *([number, f"{WORDS[number % 7]} {number}", 9.5] for number in range(40)),
    ]
    source.write_bytes(xlsx({"Products": lines}))
    page.locator("#file").set_input_files(source)
    expect(page.locator("#outcome")).to_contain_text("Done: 40 rows")
    name, rows = saved(page)
    assert name == "filed-shop.csv"
    assert [(row["sku"], row["title"], row["price"]) for row in rows][:1] == [("0", "Basmati rice 0", "9.5")]
    source.write_bytes(xlsx({"Products": [["title"], *([f"Lamp {number}"] for number in range(ROWS))]}))
    page.locator("#file").set_input_files(source)
    expect(page.locator("#outcome")).to_contain_text("Save it as CSV, which is sent in parts")


def test_a_person_says_which_column_is_the_title(page: Page, tmp_path):
    source = tmp_path / "shop.csv"
    lines = [
        ["title", "Bezeichnung é", "Marke"],
        *([f"Nr. {number}", f"{WORDS[number % 7]} {number}", "Orzo"] for number in range(20)),
    ]
    with source.open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    page.locator("#file").set_input_files(source)
    expect(page.locator("#outcome")).to_contain_text("Done: 20 rows")
    title = page.get_by_label("Title", exact=True).last
    expect(title).to_have_value("title")
    with page.expect_request("**/predict/batch") as asked:
        title.select_option("Bezeichnung é")
    assert json.loads(asked.value.headers["prodclf-columns"]) == {"title": "Bezeichnung é"}
    expect(title).to_have_value("Bezeichnung é")
    expect(page.locator("#outcome")).to_contain_text("Done: 20 rows")
    assert serious(page) == []
    _, rows = saved(page)
    assert list(rows[0])[:3] == ["title", "Bezeichnung é", "Marke"]
    assert len({row["predicted_category"] for row in rows}) > 1

    source.write_text("Artikel X,Y\nWater bottle,1\nGreen tea,2\n")
    page.locator("#file").set_input_files(source)
    expect(page.locator("#outcome")).to_have_class("error")
    page.get_by_label("Title", exact=True).last.select_option("Artikel X")
    expect(page.locator("#outcome")).to_contain_text("Done: 2 rows")


def test_it_is_dropped_and_its_progress_seen(page: Page, tmp_path):
    seen: list[float] = []
    page.expose_function("seen", lambda share: seen.append(share))
    page.evaluate(
        "new MutationObserver(() => seen(document.getElementById('progress').value)).observe("
        "document.getElementById('progress-text'), { childList: true })"
    )
    text = shop(tmp_path / "shop.csv").read_text()
    transfer = page.evaluate_handle(
        "text => { const all = new DataTransfer(); all.items.add(new File([text], 'dropped.csv')); return all; }",
        text,
    )
    page.dispatch_event("#model", "dragover", {"dataTransfer": transfer})
    expect(page.locator(".drop")).to_have_class("drop over")
    # Beside the target: the page must not be left.
    page.dispatch_event("#model", "drop", {"dataTransfer": transfer})
    expect(page.locator("#outcome")).to_contain_text(f"Done: {ROWS} rows")
    expect(page.locator(".drop")).to_have_class("drop")
    assert len(set(seen)) > 3
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert saved(page)[0] == "filed-dropped.csv"
    assert serious(page) == []


def test_what_was_filed_before_it_was_stopped_is_not_lost(page: Page, tmp_path):
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        """Let the refusal and the first part pass; the next ones wait for ever."""
        route.continue_() if len(waiting) < 2 else None
        waiting.append(route)

    page.route("**/predict/batch", hold)
    page.locator("#file").set_input_files(shop(tmp_path / "shop.csv"))
    expect(page.locator("#progress-text")).to_contain_text("300 rows")
    page.get_by_role("button", name="Stop").click()
    stopped = "Stopped. What was filed until then can be saved: 300 rows"
    expect(page.locator("#outcome")).to_contain_text(stopped)
    assert len(saved(page)[1]) == 300


def test_a_busy_service_is_asked_again(page: Page, site: Site, tmp_path):
    with site.service.batcher.admission(site.service.config.serving.max_pending_rows):
        with page.expect_response(lambda response: response.status == 503):
            page.locator("#file").set_input_files(shop(tmp_path / "shop.csv", rows=20))
        expect(page.locator("#outcome")).to_have_text("")
    expect(page.locator("#outcome")).to_contain_text("Done: 20 rows")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty."),
        (b"\n\n", "The file is empty."),
        (b"colour,size\nred,1\n", "title"),
        (b"title\n", "Done: 0 rows"),
        (b"title," * 600 + b"\nx\n", "columns, the limit is 500"),
    ],
)
def test_a_file_that_cannot_be_filed_says_why(page: Page, content: bytes, said: str):
    page.locator("#file").set_input_files({"name": "odd.csv", "mimeType": "text/csv", "buffer": content})
    expect(page.locator("#outcome")).to_contain_text(said)
    expect(page.locator("#work")).to_be_hidden()


def test_drift_shows_once_enough_was_answered(page: Page, site: Site, tmp_path):
    page.locator("#file").set_input_files(shop(tmp_path / "shop.csv"))
    expect(page.locator("#outcome")).to_contain_text(f"Done: {ROWS} rows")
    for _ in range(50):
        if site.service.drift.found is not None:
            break
        page.wait_for_timeout(100)
    page.reload()
    # Rows of a made-up shop that sells seven things.
    expect(page.locator("#drift-state")).to_contain_text("Drift of ")
    expect(page.locator("#drift li").first).to_be_visible()
    assert serious(page) == []


def test_records_are_those_that_python_reads(page: Page):
    chooser = random.Random(3)
    texts = []
    for _ in range(300):
        cells = ["".join(chooser.choices('ab,"\n ;é', k=chooser.randrange(1, 6))) for _ in range(12)]
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator=chooser.choice(["\n", "\r\n"]))
        writer.writerows(cells[start : start + 3] for start in range(0, chooser.choice([3, 6, 12]), 3))
        texts.append(out.getvalue())
    found = page.evaluate(
        """async (texts) => {
            const { records } = await import("/assets/csv.js");
            return texts.map((text) => [...records(text, ",")]);
        }""",
        [*texts, "a,b\rc,d\r", "a\rb,c\n"],
    )
    *found, lone, space = found
    for text, records in zip(texts, found, strict=True):
        rows = list(csv.reader(io.StringIO(text, newline="")))
        assert [record["cells"] for record in records] == rows
        for record, row in zip(records, rows, strict=True):
            piece = io.StringIO(text[record["start"] : record["end"]], newline="")
            assert list(csv.reader(piece)) == [row]
    assert [record["cells"] for record in lone] == [["a", "b"], ["c", "d"]]
    assert [record["cells"] for record in space] == [["a\rb", "c"]]


def test_rows_that_need_a_person_are_decided_on_the_page(page: Page, site: Site, tmp_path):
    page.locator("#file").set_input_files(shop(tmp_path / "shop.csv"))
    expect(page.locator("#outcome")).to_contain_text(f"Done: {ROWS} rows")
    before = saved(page)[1]
    doubtful = [row for row in before if row["decision"] != "auto"]
    lines = page.locator("#worklist-body tr")
    expect(lines).to_have_count(min(len(doubtful), 500))
    assert serious(page) == []
    lines.nth(0).get_by_role("button", name="Accept").click()
    lines.nth(1).get_by_role("button", name="Correct").click()
    label = site.service.model().bundle.labels[3]
    page.keyboard.type(label.rpartition(" > ")[2])
    expect(page.locator("#picker-found [aria-selected=true] strong")).to_have_text(label.rpartition(" > ")[2])
    page.keyboard.press("Enter")
    expect(lines.nth(1)).to_contain_text("filed by you")
    after = saved(page)[1]
    assert len(after) == len(before)
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [old["sku"] for old, _ in changed] == [row["sku"] for row in doubtful[:2]]
    accepted, corrected = (new for _, new in changed)
    assert (accepted["decision"], accepted["predicted_category"]) == (
        "auto",
        doubtful[0]["predicted_category"],
    )
    assert (corrected["decision"], corrected["predicted_category"]) == ("auto", label)
