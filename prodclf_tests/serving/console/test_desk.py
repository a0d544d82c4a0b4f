"""The desk in a browser, without a mouse: judged, undone, in groups, by two people, on a phone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from prodclf_assets.catalog.event_logs import FEEDBACK
from prodclf_assets.lake import open_lake
from prodclf_serving.service import Service
from prodclf_tests.serving.console.conftest import Site, serious, serving
from prodclf_tests.serving.review_desk.a_queue import ALIKE, fill

ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.fixture
def desk_site(service: Service, tmp_path: Path) -> Iterator[Site]:
    fill(tmp_path, service.model().bundle, rows=40)
    with serving(service, tmp_path, top_k=5) as site:
        yield site


def complaint(message: ConsoleMessage) -> list[str]:
    """What the browser complains of; that a request failed is for the page to say."""
    ours = message.type == "error" and not message.text.startswith("Failed to load resource")
    return [message.text] if ours else []


@contextmanager
def sitting(browser: Browser, site: Site, name: str, **options: Any) -> Iterator[Page]:
    """A person at the desk, whose page complains of nothing."""
    complaints: list[str] = []
    with browser.new_context(**options) as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.extend(complaint(message)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.set_default_timeout(15_000)
        page.goto(f"{site.url}review")
        page.get_by_label("Your name").fill(name)
        page.keyboard.press("Enter")
        expect(page.locator("#options li").first).to_be_visible()
        yield page
        assert complaints == []


def saved(page: Page) -> str:
    status = page.locator("#status")
    expect(status).to_contain_text("Saved.")
    return status.text_content() or ""


def title(page: Page) -> str:
    return page.locator("#title").text_content() or ""


def said(site: Site, about: str) -> dict[str, Any]:
    rows = open_lake(str(site.home / "lake")).events(FEEDBACK).read(*ALWAYS).sort_by("time").to_pylist()
    return [row for row in rows if row["title"] == about][-1]


def press(page: Page, key: str) -> str:
    """Press a key that settles the product that is shown, which is returned once another has taken its place."""
    shown = title(page)
    page.keyboard.press(key)
    expect(page.locator("#title")).not_to_have_text(shown)
    return shown


def test_a_queue_is_judged_by_keys_alone(browser: Browser, desk_site: Site) -> None:
    with sitting(browser, desk_site, "asha") as page:
        second = page.locator("#options li").nth(1).locator("strong").text_content()
        shown = press(page, "2")
        assert second in saved(page)
        stored = said(desk_site, shown)
        assert stored["category"].endswith(second)
        assert (stored["reviewer"], stored["source"]) == ("asha", "desk")
        expect(page.locator("#tally")).to_contain_text("1 by you today")

        page.keyboard.press("u")
        expect(page.locator("#title")).to_have_text(shown)
        expect(page.locator("#status")).to_have_text("Undone.")
        assert said(desk_site, shown)["verdict"] == "withdrawn"
        expect(page.locator("#tally")).to_contain_text("0 by you today")

        page.keyboard.press("/")
        expect(page.locator("#picker")).to_be_visible()
        label = desk_site.service.model().bundle.labels[7]
        leaf = label.rpartition(" > ")[2]
        page.keyboard.type(leaf[:2] + leaf[3:])  # mistyped
        expect(page.locator("#picker-found [aria-selected=true] strong")).to_have_text(leaf)
        assert serious(page) == []
        page.keyboard.press("Enter")
        assert leaf in saved(page)
        assert said(desk_site, shown)["category"] == label

        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        page.keyboard.press("Escape")
        skipped = press(page, "s")
        unfit = press(page, "n")
        expect(page.locator("#status")).to_contain_text("No category fits")
        assert said(desk_site, unfit)["verdict"] == "no-category"
        for _ in range(3):
            assert press(page, "Enter") != skipped
            saved(page)
        expect(page.locator("#unfit-count")).to_have_text("(1)")

        page.goto(f"{desk_site.url}review#mine")
        entries = page.locator("#said-list li")
        expect(entries).to_have_count(5)
        assert serious(page) == []
        entries.filter(has_text=unfit).get_by_role("button").click()
        expect(entries).to_have_count(4)
        expect(page.locator("#unfit-count")).to_have_text("")


def test_products_alike_are_decided_together_but_for_exceptions(browser: Browser, desk_site: Site) -> None:
    with sitting(browser, desk_site, "asha") as page:
        for _ in range(60):
            if title(page) in ALIKE:
                break
            press(page, "s")
        first = title(page)
        link = page.get_by_role("link", name="Picture")
        expect(link).to_have_attribute("href", "https://shop.example/hamper.jpg")
        page.keyboard.press("g")
        boxes = page.locator("#alike-list li")
        expect(boxes).to_have_count(3)
        out = boxes.nth(1).text_content()
        boxes.nth(1).locator("input").focus()
        page.keyboard.press("Space")
        choice = page.locator("#options strong").first.text_content()
        page.locator("#title").focus()
        page.keyboard.press("1")
        expect(page.locator("#status")).to_contain_text("3 products")
        for each in set(ALIKE) - {out}:
            assert said(desk_site, each)["category"].endswith(choice)
        with pytest.raises(IndexError):
            said(desk_site, out)
        page.keyboard.press("u")
        expect(page.locator("#status")).to_have_text("Undone, for 3 products.")
        expect(page.locator("#title")).to_have_text(first)


def test_many_are_chosen_in_the_table(browser: Browser, desk_site: Site) -> None:
    with sitting(browser, desk_site, "asha") as page:
        page.goto(f"{desk_site.url}review#rows")
        rows = page.locator("#rows-body tr")
        expect(rows.first).to_be_visible()
        page.get_by_label("Words", exact=True).fill("gift hamper")
        expect(page.locator("#rows-total")).to_have_text("4 of 4 shown")
        assert serious(page) == []
        page.get_by_label("Select all that are shown").check()
        expect(page.locator("#selected")).to_have_text("4 selected")
        rows.nth(0).get_by_role("checkbox").uncheck()
        page.get_by_role("button", name="Assign a category").click()
        page.locator("#picker-all summary").first.click()
        branch = page.locator("#picker-tree details").first
        branch.locator("summary").first.click()
        branch.locator("button").first.click()
        expect(page.locator("#status")).to_contain_text("3 products")
        expect(rows).to_have_count(1)
        page.locator("#status-undo").click()
        expect(rows).to_have_count(4)


def test_two_people_are_never_shown_the_same(browser: Browser, desk_site: Site) -> None:
    seen: dict[str, list[str]] = {"asha": [], "bo": []}
    with sitting(browser, desk_site, "asha") as one, sitting(browser, desk_site, "bo") as other:
        for _ in range(5):
            for name, page in (("asha", one), ("bo", other)):
                seen[name].append(press(page, "Enter"))
                saved(page)
    assert not set(seen["asha"]) & set(seen["bo"])
    assert [len(set(titles)) for titles in seen.values()] == [5, 5]


def test_a_decision_that_is_not_saved_comes_back(browser: Browser, desk_site: Site) -> None:
    with sitting(browser, desk_site, "cy") as page:
        page.route("**/review/decisions", lambda route: route.abort())
        shown = title(page)
        page.get_by_role("button", name=re.compile("Skip")).focus()
        page.keyboard.press("1")
        expect(page.locator("#status")).to_have_text("Not saved: The service cannot be reached.")
        expect(page.locator("#title")).to_have_text(shown)
        page.unroute("**/review/decisions")


@pytest.mark.parametrize(("width", "scheme"), [(1000, "dark"), (360, "light")])
def test_everybody_can_sit_at_it(browser: Browser, desk_site: Site, width: int, scheme: Any) -> None:
    options = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme, "has_touch": width < 500}
    with sitting(browser, desk_site, "dee", **options) as page:
        assert serious(page) == []
        for view in ("one", "rows", "mine"):
            page.goto(f"{desk_site.url}review#{view}")
            page.wait_for_load_state("networkidle")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, view
            assert serious(page) == []
        page.goto(f"{desk_site.url}review#one")
        shown = title(page)
        page.locator("#options button").nth(2).click()
        expect(page.locator("#title")).not_to_have_text(shown)
        saved(page)
