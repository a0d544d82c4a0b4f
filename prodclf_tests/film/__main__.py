"""`python -m prodclf_tests.film`: play the script on the real system and make a film of it."""

import contextlib
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from prodclf_tests.film.film import FilmError, Shot, make_film
from prodclf_tests.film.screen import Screen, screen
from prodclf_tests.film.script import Scene, ScriptError, read_script
from prodclf_tests.film.system import SERVERS, StageError, System

PROGRAMS = {"ffmpeg": "ffmpeg", "espeak-ng": "espeak-ng"}


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default="prodclf.mp4", show_default=True)
@click.option("--script", type=click.Path(exists=True, path_type=Path), help="Another script.")
@click.option("--scenes", type=click.IntRange(1), help="Only the first so many scenes.")
@click.option("--rows", default=4_000, show_default=True, help="Products of the shop's first file.")
def main(out: Path, script: Path | None, scenes: int | None, rows: int) -> None:
    """Make a film of some five minutes: the graph, the model, the service, a new file, a promotion, a way back.

    Everything is real and takes as long as it takes, two trainings among it; what is slow is shown faster, and said to be. Needs Chromium, ffmpeg and espeak-ng (Debian: apt-get install chromium ffmpeg espeak-ng fonts-dejavu-core), and
    the ports 3000, 5000 and 8000.
    """
    absent = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if absent:
        raise click.ClickException(f"`apt-get install {' '.join(absent)}` brings what is missing")
    # Whoever ends this program ends what it has started, too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        length = play(read_script(script) if script else read_script(), out, scenes, rows)
    except (ScriptError, StageError, FilmError, FileNotFoundError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{out}: {length / 60:.0f} min {length % 60:02.0f} s")


def play(script: list[Scene], out: Path, scenes: int | None, rows: int) -> float:
    """Play scenes, make a film of them, and return its seconds."""
    with tempfile.TemporaryDirectory(prefix="prodclf-film-") as name:
        stage, pictures = Path(name) / "shop", Path(name) / "pictures"
        stage.mkdir()
        pictures.mkdir()
        shots = []
        with contextlib.ExitStack() as left, screen(pictures) as shown:
            system = System(stage, left)
            system.prepare(rows)
            for number, scene in enumerate(script[:scenes], start=1):
                click.echo(f"{number:2} of {len(script)}  {scene.name}", err=True)
                shots.append(_shoot(scene, system, shown))
        return make_film(shots, pictures, out)


def _shoot(scene: Scene, system: System, shown: Screen) -> Shot:
    begun = len(shown.frames)
    for action, value in scene.do:
        _act(action, value, system, shown)
    shown.look()
    return Shot(scene, tuple(shown.frames[begun:]), time.monotonic())


def _act(action: str, value: Any, system: System, shown: Screen) -> None:
    match action:
        case "card":
            shown.card(**value)
        case "run":
            shown.ask(value)
            for lines in system.run(value):
                if lines:
                    shown.print(lines)
                shown.wait(0.25)
        case "start":
            shown.ask(SERVERS[value].command)
            system.start(value, lambda: shown.wait(0.5))
        case "open":
            shown.open(system.address(value))
        case "type":
            for label, text in value.items():
                shown.type(label, text)
        case "upload":
            shown.page.locator("input[type=file]").set_input_files(system.folder / value)
        case "pause":
            shown.wait(value)
        case _:
            getattr(shown, action)(value)


if __name__ == "__main__":
    main()
