"""A product typed into the console: answered, explained, corrected; by mouse, by keyboard, on a phone."""

import re
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from prodclf_assets.catalog.event_logs import FEEDBACK
from prodclf_assets.lake import open_lake
from prodclf_serving.service import Service
from prodclf_tests.serving.console.conftest import Site, serious, serving

WORDS = {"auto": "filed", "review": "to check", "abstain": "unknown"}
TITLE = "Stainless steel water bottle, 1 litre"
ALWAYS = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def typed(page: Page, title: str = TITLE) -> None:
    page.get_by_label("Title", exact=True).fill(title)
    explained(page)


def explained(page: Page) -> None:
    """Wait until the reasons are there."""
    expect(page.locator("#reasons li").first).to_contain_text(re.compile("For it|No word"))


def corrections(site: Site) -> list[dict]:
    """Everybody's, the latest last; other tests' services write to the same lake."""
    return open_lake(str(site.home / "lake")).events(FEEDBACK).read(*ALWAYS).sort_by("time").to_pylist()


def test_the_answer_follows_the_typing(page: Page, site: Site):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(site.url)))
    page.get_by_label("Title", exact=True).press_sequentially(TITLE, delay=5)
    page.get_by_label("Brand").fill("Milton")
    explained(page)
    product = {"title": TITLE, "brand": "Milton"}
    found = httpx.post(f"{site.url}explain", json=product).json()
    expect(page.locator("#path")).to_have_text(" › ".join(found["path"]))
    expect(page.locator("#decision")).to_contain_text(WORDS[found["decision"]])
    expect(page.locator("#reasons li")).to_have_text(found["reasons"])
    rows = page.locator("#alternatives li")
    expect(rows).to_have_count(len(found["probabilities"]))
    for place, entry in enumerate(found["probabilities"]):
        expect(rows.nth(place)).to_contain_text(f"{100 * entry['probability']:.1f}%")
        bar = rows.nth(place).locator(".bar")
        filled = bar.locator("i").bounding_box()["width"] / bar.bounding_box()["width"]
        assert filled == pytest.approx(entry["probability"], abs=0.02)
    expect(page.get_by_role("status").first).to_contain_text(found["category"])
    # Not one question for each of the fifty keys.
    assert 1 <= asked.count("predict") < 15
    assert asked.count("explain") < 5


def test_all_fields_count(page: Page, site: Site):
    page.get_by_text("More fields").click()
    product = {"title": "Rice", "description": "basmati from the hills", "price": "₹499", "rating": "4.5"}
    for name, value in product.items():
        page.locator(f"[name={name}]").fill(value)
    found = httpx.post(f"{site.url}predict", json=product).json()
    expect(page.locator("#decision")).to_contain_text(f"{100 * found['confidence']:.1f}%")
    page.locator("[name=price]").fill("abc")
    expect(page.locator("#decision")).to_contain_text("'abc' is not a number")


def test_what_is_deleted_is_no_longer_answered(page: Page):
    typed(page)
    page.get_by_label("Title", exact=True).fill("")
    expect(page.locator("#found")).to_be_hidden()
    expect(page.locator("#silence")).to_have_text("Nothing typed yet.")


def test_no_title_becomes_html(page: Page):
    page.get_by_label("Title", exact=True).fill("<img src=x onerror=alert(1)> <b>rice</b>")
    explained(page)
    expect(page.locator("#answer img")).to_have_count(0)
    expect(page.locator("#answer b")).to_have_count(0)


def test_an_alternative_is_chosen_by_keyboard_alone(page: Page, site: Site):
    for _ in range(5):  # past the four links
        page.keyboard.press("Tab")
    page.keyboard.type(TITLE)
    explained(page)
    second = page.locator("#alternatives button").nth(1)
    for _ in range(12):
        page.keyboard.press("Tab")
        if second.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Saved")
    stored = corrections(site)[-1]
    predicted = httpx.post(f"{site.url}predict", json={"title": TITLE}).json()
    assert stored["title"] == TITLE
    assert stored["category"] == predicted["probabilities"][1]["category"]
    assert stored["predicted_category"] == predicted["category"]
    assert stored["model_version"] == predicted["model_version"]
    assert stored["request_id"]


def test_another_category_is_found_and_what_was_said_can_be_undone(page: Page, site: Site):
    typed(page)
    label = site.service.model().bundle.labels[4]
    page.get_by_label("Your name").fill("asha")
    page.get_by_role("button", name="Another category").click()
    page.keyboard.type(label.rpartition(" > ")[2][:-1])
    expect(page.locator("#picker-found [aria-selected=true] strong")).to_have_text(label.rpartition(" > ")[2])
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Saved")
    said = corrections(site)[-1]
    assert (said["category"], said["reviewer"], said["source"]) == (label, "asha", "http")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#status")).to_have_text("Undone.")
    undone = corrections(site)[-1]
    assert (undone["annotation"], undone["verdict"]) == (said["annotation"], "withdrawn")


def test_what_is_typed_is_not_recorded(page: Page, site: Site, monkeypatch: pytest.MonkeyPatch):
    recorded: list[str] = []
    monkeypatch.setattr(site.service.recorder, "add", lambda *call: recorded.append(call[2][0]["title"]))
    typed(page)
    httpx.post(f"{site.url}predict", json={"title": "Basmati rice"})
    assert recorded == ["Basmati rice"]


def test_a_single_letter_is_too_little_to_go_on(page: Page):
    page.get_by_label("Title", exact=True).fill("a")
    expect(page.locator("#decision")).to_contain_text("Too little to go on")
    expect(page.locator("#answer")).not_to_contain_text("%")


def test_the_live_model_is_shown(page: Page, site: Site):
    model = httpx.get(f"{site.url}model").json()
    facts = page.locator("#model-facts")
    expect(facts).to_contain_text(f"{model['model_version']} (champion), bundle {model['bundle_version']}")
    expect(facts).to_contain_text(f"{100 * model['manifest']['metrics']['out_of_fold_accuracy']:.1f}%")
    expect(page.locator("#model-state")).to_have_text("It answers.")
    expect(page.locator("#drift-state")).not_to_have_text("Asking…")


def test_a_service_that_goes_away_is_said(browser: Browser, service: Service, served_home):
    with browser.new_page() as page:
        with serving(service, served_home) as site:
            page.goto(site.url)
            typed(page)
        page.get_by_label("Title", exact=True).fill("Rice")
        expect(page.locator("#silence")).to_have_text("The service cannot be reached.")


def test_a_key_is_asked_for_where_one_is_wanted(browser: Browser, service: Service, served_home, tmp_path):
    (tmp_path / "keys").write_text("0123456789abcdef-shop")
    asking = serving(service, served_home, api_keys_file=tmp_path / "keys")
    with asking as site, browser.new_page() as page:
        page.goto(site.url)
        expect(page.locator("#model-state")).to_contain_text("an API key is needed")
        page.get_by_label("Title", exact=True).fill("Rice")
        for key, state in {"guess": "is not accepted", "shop": "It answers."}.items():
            page.get_by_label("Key", exact=True).fill(f"0123456789abcdef-{key}")
            page.get_by_role("button", name="Use it").click()
            expect(page.locator("#model-state")).to_contain_text(state)
        expect(page.locator("#key")).to_be_hidden()
        expect(page.locator("#path")).to_contain_text("›")
        assert serious(page) == []


@pytest.mark.parametrize(("width", "scheme"), [(1000, "light"), (320, "dark")])
def test_everybody_can_use_it(page: Page, width: int, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    assert serious(page) == []
    page.get_by_text("More fields").click()
    typed(page)
    page.locator("#alternatives button").first.click()
    expect(page.locator("#status")).to_contain_text("Saved")
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
