"""`python -m prodclf_tests.walk`: do what the documents tell a new user to do, command by command, as they stand there.

In an empty directory: a fresh clone of the last commit, a fresh environment, no settings of whoever calls. Each command must
end as it should and say what it should; what serves is left running until the end. The transcript goes to standard output.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from prodclf_tests.commands import environment, left_running, page_at
from prodclf_tests.documents import ROOT, TEXTS, blocks
from prodclf_tests.walk_steps import OTHERS, README, Step

PORTS = (3000, 5000, 8000)
SERVING_SECONDS = 900.0
TAIL = 14


@contextlib.contextmanager
def clone() -> Iterator[Path]:
    """A fresh clone of the last commit, with the mapping of the README beside it as a person would have written it."""
    with tempfile.TemporaryDirectory(prefix="prodclf-walk-") as name:
        folder = Path(name) / "prodclf"
        subprocess.run(["git", "clone", "--quiet", f"file://{ROOT}", folder], check=True)
        (folder / "mapping.yaml").write_text(blocks(TEXTS[ROOT / "README.md"], "yaml")[0])
        yield folder


def walk(folder: Path, steps: tuple[Step, ...], tell: Callable[[str], None]) -> None:
    """Take the steps one after the other.

    Raises:
        AssertionError: a command ends or says otherwise than it should.
    """
    with contextlib.ExitStack() as left:
        for step in steps:
            begun = time.monotonic()
            if step.before:
                _run(folder, step.before)
            tell(f"$ {step.command}")
            said = _run(folder, step.command) if step.ends else ""
            if not step.ends:
                log = folder.with_name("served.log")
                left.enter_context(left_running(step.command, folder, environment(), log))
            seen = said
            if step.page:
                seen += _page(step.page, "" if step.ends else step.says)
                tell(f"  {step.page} answers")
            assert re.search(step.says, seen), (
                f"{step.command} does not say {step.says!r} but:\n{seen[-3000:]}"
            )
            tell("\n".join(said.strip().splitlines()[-TAIL:]) if step.ends else "  … goes on")
            tell(f"# {time.monotonic() - begun:.0f} s\n")


def _run(folder: Path, command: str) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout[-3000:]}"
    return done.stdout


def _page(url: str, says: str) -> str:
    """The page at an address, once it answers and holds what it should."""
    deadline = time.monotonic() + SERVING_SECONDS
    seen = "nothing"
    while time.monotonic() < deadline:
        try:
            seen = page_at(url)
            if re.search(says, seen):
                return seen
        except OSError as error:
            seen = str(error)
        time.sleep(1)
    raise AssertionError(f"{url} does not show {says!r} but:\n{seen[-2000:]}")


def transcript(said: list[str], folder: Path) -> str:
    """What was told as a document: nothing in it says where the clone and whoever walked are at home."""
    text = "\n".join(said).replace(str(folder), ".").replace(str(Path.home()), "~")
    made = "Made by `uv run python -m prodclf_tests.walk --all --write prodclf_tests/WALK.md`"
    what = f"in a fresh clone of {_run(ROOT, 'git log -1 --format=%h').strip()} on {os.cpu_count()} cores"
    return f"# A walk through the documents\n\n{made}, {what}.\n\n```text\n{text.strip()}\n```\n"


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also what the documents of the rooms say.")
@click.option("--write", type=click.Path(path_type=Path), help="Markdown file to write the transcript to.")
def main(everything: bool, write: Path | None) -> None:
    """Walk through the README as a new user, and print the transcript."""
    steps = (*README, *OTHERS) if everything else README
    said: list[str] = []

    def tell(text: str) -> None:
        said.append(text)
        click.echo(text)

    with clone() as folder:
        try:
            walk(folder, steps, tell)
        except AssertionError as error:
            click.echo(str(error), err=True)
            sys.exit(1)
        if write is not None:
            write.write_text(transcript(said, folder), encoding="utf-8")


if __name__ == "__main__":
    main()
