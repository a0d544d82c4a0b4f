"""A day at the desk, by keys alone, while things break: `python -m prodclf_tests.benchmarks.desk.walk`.

Two people in two browsers, one of them on a phone, judge products of a real catalogue at one replica. Meanwhile the replica
is killed between and during decisions and another model goes live. In the end the lake is compared with what the screens
said was saved.
"""

import json
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from prodclf_assets.catalog.event_logs import FEEDBACK
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.lake import open_lake
from prodclf_assets.monitoring.review.human_labels import ALWAYS, human_labels
from prodclf_assets.registry import Registry, open_registry
from prodclf_assets.settings import Settings
from prodclf_tests.benchmarks.command import data_option, publish, run_prodclf, say, table, write_option
from prodclf_tests.benchmarks.desk.__main__ import queue_up, split_catalogue
from prodclf_tests.benchmarks.serving.material import CATALOGUE, prepare
from prodclf_tests.serving.live import LiveService, descendants, start_live_service, wait_for

PRODUCTS: Final = 200
KILLS: Final = (31, 74, 118, 163)
"""Before which decisions the replica is killed; with every other one the decision is under way."""
SWAP: Final = 95
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PATIENCE_MS: Final = 90_000


@dataclass
class Sitting:
    """A person at the desk.

    Attributes:
        name: the person's.
        page: what is looked at.
        saved: the category under which the screen said that a title was saved, the latest.
        complaints: what the browser complained of.
    """

    name: str
    page: Page
    saved: dict[str, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def title(self) -> str:
        """Of the product that is shown."""
        return self.page.locator("#title").text_content() or ""

    def options(self) -> list[str]:
        """The paths that are offered, as they are shown."""
        return [
            " › ".join(filter(None, [each.locator(".path .quiet").text_content(), each.locator("strong").text_content()]))
            for each in self.page.locator("#options li").all()
        ]  # fmt: skip

    def settle(self, key: str) -> str:
        """Press a key that decides, wait until it is saved or comes back, and return what the status line says."""
        shown, status = self.title(), self.page.locator("#status")
        self.page.evaluate("document.getElementById('status').textContent = ''")
        self.page.keyboard.press(key)
        expect(status).to_contain_text("aved", timeout=_PATIENCE_MS)
        expect(status).not_to_have_text("Saving…", timeout=_PATIENCE_MS)
        said = status.text_content() or ""
        if said.startswith("Saved"):
            expect(self.page.locator("#title")).not_to_have_text(shown, timeout=_PATIENCE_MS)
        return said


@dataclass
class Tally:
    """What happened: keys pressed, and how often something was so."""

    counts: Counter[str] = field(default_factory=Counter)
    shown_twice: list[str] = field(default_factory=list)


@click.command()
@data_option
@click.option(
    "--made", type=click.Path(path_type=Path), help="Folder for what is trained; used again if it is there."
)
@click.option("--pictures", type=click.Path(path_type=Path), help="Folder for pictures on the way.")
@write_option
def main(data: Path, made: Path | None, pictures: Path | None, write: Path | None) -> None:
    """Judge 200 products and print whether everything that was confirmed is in the lake, once."""
    with tempfile.TemporaryDirectory(prefix="prodclf-walk-") as scratch:
        folder = made or Path(scratch) / "made"
        if not folder.exists():
            split_catalogue(data / f"{CATALOGUE}_train.csv.gz", folder)
            prepare(folder, None, folder)
        home = folder / "home"
        registry = open_registry(Settings(PRODCLF_HOME=home))
        fetched = registry.fetch(registry.resolve("champion"), Path(scratch) / "fetched")
        shutil.rmtree(home / "lake" / FEEDBACK.name, ignore_errors=True)
        queue_up(Bundle.load(fetched, threads=1), folder)
        service = start_live_service(home, registry)
        try:
            wait_for(service)
            with _chromium() as browser, ExitStack() as stack:
                people = [
                    stack.enter_context(_sitting(browser, service, "asha", viewport={"width": 1280, "height": 900})),
                    stack.enter_context(
                        _sitting(
                            browser, service, "bo",
                            viewport={"width": 390, "height": 844}, has_touch=True, color_scheme="dark",
                        )
                    ),
                ]  # fmt: skip
                tally = _walk(people, service, registry, fetched, Path(scratch), pictures)
        finally:
            service.stop()
        text = _report(people, tally, home)
        used = table("what the next training did with them | count", _next_training(folder).items())
    publish(f"{text}\n\n{used}\n", write)


def _walk(
    people: list[Sitting],
    service: LiveService,
    registry: Registry,
    bundle: Path,
    scratch: Path,
    pictures: Path | None,
) -> Tally:
    tally = Tally()
    for number in range(PRODUCTS):
        person = people[number % 2]
        shown = {each.title() for each in people}
        if len(shown) < len(people):
            tally.shown_twice += shown
        if number in KILLS:
            tally.counts["replicas killed"] += 1
            if KILLS.index(number) % 2 == 0:
                _kill(service)
            else:
                # Under way: the request is held until the replica is dead.
                person.page.route("**/review/decisions", lambda route: (_kill(service), route.continue_())[1])
        if number == SWAP:
            folder = scratch / "another"
            shutil.copytree(bundle, folder)
            manifest = json.loads((folder / "manifest.json").read_text())
            manifest["created_at"] += " (again)"
            (folder / "manifest.json").write_text(json.dumps(manifest))
            registry.set_alias("champion", registry.log_and_register(folder).version)
            tally.counts["models swapped in"] += 1
        _decide(person, number, tally)
        person.page.unroute("**/review/decisions")
        if number % 50 == 10:
            for each in people:
                tally.counts["serious findings of axe"] += len(_serious(each.page))
                if pictures:
                    pictures.mkdir(parents=True, exist_ok=True)
                    each.page.screenshot(path=pictures / f"{each.name}-{number}.png")
        if number % 20 == 19:
            say(f"{number + 1} products: {dict(tally.counts)}")
    return tally


def _decide(person: Sitting, number: int, tally: Tally) -> None:
    """Settle one product: mostly by Enter, now and then by every other key."""
    page, options, shown = person.page, person.options(), person.title()
    together = page.locator("#alike").is_visible() and number % 3 == 0
    key, meant = "Enter", options[0]
    if number % 7 == 3 and len(options) > 1:
        key, meant = "2", options[1]
    elif number % 23 == 5:
        key, meant, together = "n", "No category fits", False
    alike = []
    if together:
        page.keyboard.press("g")
        alike = [each.text_content() or "" for each in page.locator("#alike-list label span").all()]
        tally.counts["decided together"] += 1
    if number % 31 == 6:
        page.keyboard.press("s")
        expect(page.locator("#title")).not_to_have_text(shown, timeout=_PATIENCE_MS)
        tally.counts["skipped"] += 1
        return _decide(person, number + 1, tally)
    if number % 11 == 4:
        meant, alike = _by_picker(person, options[0]), []
        tally.counts["by the picker"] += 1
    else:
        while not person.settle(key).startswith("Saved"):
            tally.counts["came back, decided again"] += 1
            expect(page.locator("#title")).to_have_text(shown, timeout=_PATIENCE_MS)
            if alike and not page.locator("#together").is_checked():
                page.keyboard.press("g")
            time.sleep(0.5)
        tally.counts[f"key {key}"] += 1
    person.saved.update(dict.fromkeys([shown, *alike], meant))
    if number % 37 == 9:
        page.keyboard.press("u")
        expect(page.locator("#status")).to_contain_text("Undone", timeout=_PATIENCE_MS)
        expect(page.locator("#title")).to_have_text(shown, timeout=_PATIENCE_MS)
        tally.counts["undone"] += 1
        for each in (shown, *alike):
            del person.saved[each]
        return _decide(person, number + 2, tally)
    return None


def _by_picker(person: Sitting, near: str) -> str:
    """Choose a category by typing part of its name, mistyped."""
    page = person.page
    leaf = near.rpartition(" › ")[2]
    page.keyboard.press("/")
    page.keyboard.type(leaf[:2] + leaf[3:])
    first = page.locator("#picker-found [aria-selected=true]")
    expect(first).to_be_visible(timeout=_PATIENCE_MS)
    page.wait_for_timeout(400)
    chosen = first.locator("strong").text_content() or ""
    page.evaluate("document.getElementById('status').textContent = ''")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Saved", timeout=_PATIENCE_MS)
    return chosen


def _kill(service: LiveService) -> None:
    for pid in descendants(service.process.pid):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if command.startswith(b"ray::ServeReplica:prodclf:classifier"):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def _chromium() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None:
        raise click.ClickException("no browser; install chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@contextmanager
def _sitting(browser: Browser, service: LiveService, name: str, **options: Any) -> Iterator[Sitting]:
    with browser.new_context(**options) as context:
        page = context.new_page()
        person = Sitting(name, page)
        page.on("pageerror", lambda error: person.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                message.type == "error"
                and not message.text.startswith("Failed to load resource")
                and person.complaints.append(message.text)
            ),
        )
        page.set_default_timeout(_PATIENCE_MS)
        page.goto(f"{service.url}/review")
        page.get_by_label("Your name").fill(name)
        page.keyboard.press("Enter")
        expect(page.locator("#options li").first).to_be_visible()
        yield person


def _serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [each["id"] for each in found if each["impact"] in ("serious", "critical")]


def _report(people: list[Sitting], tally: Tally, home: Path) -> str:
    """Compare what the screens confirmed with what the lake holds."""
    lake = open_lake(str(home / "lake"))
    rows = lake.events(FEEDBACK).read(*ALWAYS).to_pylist()
    names = Counter(row["annotation"] for row in rows if row["verdict"] != "withdrawn")
    withdrawn = {row["annotation"] for row in rows if row["verdict"] == "withdrawn"}
    stands: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: row["time"]):
        if row["annotation"] not in withdrawn:
            stands[row["title"]] = "No category fits" if row["verdict"] else row["category"]
    confirmed = {title: category for person in people for title, category in person.saved.items()}
    lost = [title for title in confirmed if title not in stands]
    other = [
        title
        for title, shown in confirmed.items()
        if title in stands and not stands[title].replace(" > ", " › ").endswith(shown)
    ]
    labels = human_labels(lake).table
    unfit = sum(category == "No category fits" for category in confirmed.values())
    what = [
        ("products confirmed on a screen", len(confirmed)),
        ("of these lost", len(lost)),
        ("of these under another category than shown", len(other)),
        ("annotations that are in the lake twice", sum(count > 1 for count in names.values())),
        ("in the lake and confirmed on no screen", len(set(stands) - set(confirmed))),
        ("labels that the next training reads", len(labels)),
        ("no category fits", unfit),
        ("times that both were shown one product", len(tally.shown_twice)),
        ("complaints of the browsers", sum(len(person.complaints) for person in people)),
        *sorted(tally.counts.items()),
    ]
    for text in (*lost, *other, *(line for person in people for line in person.complaints)):
        say(text)
    return (
        f"# A day at the desk\n\nWritten by `python -m prodclf_tests.benchmarks.desk.walk`: {CATALOGUE} at depth 3, one replica of "
        "`prodclf serve`, two people by keys alone, one of them on a phone.\nTwo replicas are killed between decisions, two while "
        f"one is under way.\n\n{table('what | count', what)}"
    )


def _next_training(folder: Path) -> dict[str, int]:
    """Train again and return what the cleaning did with the labels of people."""
    run_prodclf(
        folder,
        "train",
        "--source",
        folder / f"{CATALOGUE}_train.csv.gz",
        "--source-config",
        folder / "mapping.yaml",
    )
    lake = open_lake(str(folder / "home" / "lake"))
    version = lake.find_latest("clean_products")
    assert version is not None
    found: dict[str, int] = json.loads(lake.read_bytes(version, "notes.json"))["human_labels"]
    return found


if __name__ == "__main__":
    main()
