"""The documentation pages work under their content policy, with nothing from elsewhere."""

from playwright.sync_api import Page, expect

from prodclf_tests.serving.console.conftest import Site


def test_swagger_shows_every_route_and_tries_one_out(page: Page, site: Site):
    page.goto(f"{site.url}docs")
    expect(page.locator(".opblock")).to_have_count(10)
    block = page.locator("#operations-prediction-predict")
    block.locator(".opblock-summary").click()
    block.get_by_role("button", name="Try it out").click()
    with page.expect_response(f"{site.url}predict") as answer:
        block.get_by_role("button", name="Execute").click()
    assert answer.value.status == 200
    expect(block.locator(".live-responses-table")).to_contain_text("model_version")


def test_redoc_shows_every_route(page: Page, site: Site):
    page.goto(f"{site.url}redoc")
    expect(page.get_by_role("heading", name="Classify many products")).to_be_visible()
    expect(page.get_by_role("heading", name="Say where a product belongs")).to_be_visible()
