"""The screen of the film: a headless browser whose every change is kept as a picture."""

import base64
import html
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

SIZE = {"width": 1280, "height": 720}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Between two keys, as a person types.
KEY_MS = 45
SEE_MS = 900_000.0
LINES = 29

_PAGE = """<!doctype html><meta charset=utf-8><style>
body {{ margin: 0; height: 100vh; background: #0f172a; color: #e2e8f0; font: 17px/1.35 "DejaVu Sans Mono", monospace; }}
pre {{ margin: 0; padding: 22px 28px; white-space: pre-wrap; word-break: break-word; }} .asked {{ color: #93c5fd; }}
.card {{ font-family: "DejaVu Sans", sans-serif; padding: 150px 110px; }} .card h1 {{ font-size: 58px; margin: 0 0 26px; }}
.card p {{ font-size: 27px; margin: 10px 0; color: #cbd5e1; }} .card code {{ color: #93c5fd; font-family: "DejaVu Sans Mono"; }}
</style>{body}"""
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Screen:
    """One page of a browser, and the pictures of it.

    Attributes:
        page: the page.
        frames: pictures with the second at which each came.
    """

    def __init__(self, page: Page, folder: Path) -> None:
        self.page = page
        # For all that is waited for: the film is recorded on busy machines, too.
        page.set_default_timeout(SEE_MS)
        self.frames: list[tuple[float, Path]] = []
        self._folder = folder
        self._lines: list[str] = []
        self._session = page.context.new_cdp_session(page)
        self._session.on("Page.screencastFrame", self._keep)
        options = {"format": "jpeg", "quality": 85, "maxWidth": SIZE["width"], "maxHeight": SIZE["height"]}
        self._session.send("Page.startScreencast", options)

    def _keep(self, frame: dict[str, Any]) -> None:
        self._session.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})
        self._add(base64.b64decode(frame["data"]))

    def _add(self, picture: bytes) -> None:
        path = self._folder / f"{len(self.frames):06}.jpg"
        path.write_bytes(picture)
        self.frames.append((time.monotonic(), path))

    def look(self) -> None:
        """Keep what is there now, whether or not it changed."""
        self._add(self.page.screenshot(type="jpeg", quality=85))

    def wait(self, seconds: float) -> None:
        """Let time pass; pictures are kept meanwhile."""
        self.page.wait_for_timeout(seconds * 1000)

    def card(self, title: str, lines: list[str]) -> None:
        """Show a title and lines; words between backticks are set as commands."""
        text = "".join(f"<p>{_with_code(line)}</p>" for line in lines)
        self._show(f'<div class="card"><h1>{html.escape(title)}</h1>{text}</div>')

    def ask(self, command: str) -> None:
        """Type a command into an empty terminal."""
        self._lines = []
        for end in range(0, len(command) + 1, 3):
            self._terminal(command[:end])
            self.wait(KEY_MS / 1000)
        self._lines = [f'<span class="asked">$ {html.escape(command)}</span>']
        self._terminal()

    def print(self, lines: list[str]) -> None:
        """Add lines to the terminal, which shows the last of them."""
        self._lines += [html.escape(_COLOURS.sub("", line)) for line in lines]
        self._terminal()

    def _terminal(self, typed: str | None = None) -> None:
        shown = self._lines if len(self._lines) <= LINES else [self._lines[0], *self._lines[1 - LINES :]]
        if typed is not None:
            shown = [*shown, f'<span class="asked">$ {html.escape(typed)}▌</span>']
        self._show(f"<pre>{chr(10).join(shown)}</pre>")

    def _show(self, body: str) -> None:
        # What is set into another's page stays under that page's rules: the console's forbid our style.
        if self.page.url != "about:blank":
            self.page.goto("about:blank")
        self.page.set_content(_PAGE.format(body=body))

    def open(self, address: str) -> None:
        """Open a page and wait until it has drawn itself."""
        self.page.goto(address, wait_until="domcontentloaded")

    def see(self, text: str) -> None:
        """Wait until the page shows a text."""
        expect(self.page.locator("body")).to_contain_text(re.compile(text), timeout=SEE_MS)

    def type(self, label: str, text: str) -> None:
        """Type into the field of a label."""
        field = self.page.get_by_label(label, exact=True)
        field.scroll_into_view_if_needed()
        field.fill("")
        field.press_sequentially(text, delay=KEY_MS)

    def press(self, name: str) -> None:
        """Press the first button or link of a name."""
        found = self.page.get_by_role("button", name=name).or_(self.page.get_by_role("link", name=name))
        found.first.click()

    def keys(self, combination: str) -> None:
        """Press keys, named as Playwright names them."""
        self.page.keyboard.press(combination)

    def scroll(self, selector: str) -> None:
        """Bring an element into view, slowly enough to follow."""
        behaviour = "{behavior: 'smooth', block: 'start'}"
        self.page.locator(selector).first.evaluate(f"element => element.scrollIntoView({behaviour})")
        self.wait(1.0)


def _with_code(line: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(line))


@contextmanager
def screen(folder: Path) -> Iterator[Screen]:
    """Open a browser that nobody sees.

    Raises:
        FileNotFoundError: none is installed.
    """
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise FileNotFoundError("no browser is installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to run as root; what is looked at is only our own pages.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser: Browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield Screen(browser.new_page(viewport=SIZE), folder)  # type: ignore[arg-type]
        browser.close()
