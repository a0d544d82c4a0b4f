"""The script: what is said in each scene and what is done meanwhile, and when each caption is to be read."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
# What a scene can do, each with one value; `screen.py` carries them out.
ACTIONS = ("card", "run", "start", "open", "type", "press", "keys", "upload", "see", "scroll", "pause")
CAPTION_WIDTH, CAPTION_LINES = 62, 2
# After the last word of a scene, before the next begins.
BREATH_SECONDS = 0.7
# While nothing moves on the screen, no more than this is shown of it.
STILL_SECONDS = 1.2


class ScriptError(ValueError):
    """The script cannot be read; says in which scene and why."""


@dataclass(frozen=True)
class Scene:
    """One scene: the words that are spoken and shown, and the actions in order, each a name and its value."""

    name: str
    say: str
    do: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Caption:
    """Text that is shown from one second of the film to another."""

    start: float
    end: float
    text: str


def read_script(path: Path = FOLDER / "script.yaml") -> list[Scene]:
    """Read a script.

    Raises:
        ScriptError: a scene has no name or words, or does what nothing carries out.
    """
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(found, list):
        raise ScriptError(f"{path}: a list of scenes is wanted")
    return [_scene(number, each) for number, each in enumerate(found, start=1)]


def _scene(number: int, given: Mapping[str, Any]) -> Scene:
    missing = [key for key in ("name", "say", "do") if not given.get(key)]
    if missing:
        raise ScriptError(f"scene {number}: {', '.join(missing)} is missing")
    actions = []
    for each in given["do"]:
        if len(each) != 1 or next(iter(each)) not in ACTIONS:
            raise ScriptError(f"scene {number} ({given['name']}): {each} is none of {', '.join(ACTIONS)}")
        actions.append(next(iter(each.items())))
    return Scene(given["name"], " ".join(str(given["say"]).split()), tuple(actions))


def captions(text: str, start: float, spoken: float) -> list[Caption]:
    """Cut what is said into captions; each stays as long as its share of the letters takes to say.

    Args:
        text: what is said.
        start: second of the film at which it begins.
        spoken: seconds that saying it takes.
    """
    lines = textwrap.wrap(text, CAPTION_WIDTH)
    shown = [" ".join(lines[at : at + CAPTION_LINES]) for at in range(0, len(lines), CAPTION_LINES)]
    whole = sum(map(len, shown))
    found: list[Caption] = []
    for each in shown:
        end = start + spoken * len(each) / whole
        found.append(Caption(start, end, each))
        start = end
    return found


def shown_seconds(times: Sequence[float], end: float, spoken: float) -> tuple[list[float], float]:
    """How long each frame of a scene is shown, and how much faster than life.

    Stretches in which nothing moves are shortened; what is still longer than the words runs faster; what is
    shorter waits for them at its last frame.

    Args:
        times: second at which each frame came, ascending; at least one.
        end: second at which the scene was over.
        spoken: seconds that saying its words takes.
    """
    gaps = [after - before for before, after in zip(times, [*times[1:], end], strict=True)]
    kept = [min(gap, STILL_SECONDS) for gap in gaps]
    wanted = spoken + BREATH_SECONDS
    faster = max(1.0, sum(kept) / wanted)
    seconds = [gap / faster for gap in kept]
    seconds[-1] += max(0.0, wanted - sum(seconds))
    return seconds, max(1.0, (end - times[0]) / sum(seconds))


def subtitles(spoken: Sequence[Caption], badges: Sequence[Caption]) -> str:
    """Captions (below) and badges (above, right) as an ASS file for a film of 1280 x 720."""
    head = [
        "[Script Info]",
        "PlayResX: 1280",
        "PlayResY: 720",
        "",
        "[V4+ Styles]",
        "Format: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BackColour, BorderStyle, Outline, Shadow, "
        "Alignment, MarginL, MarginR, MarginV",
        "Style: said,DejaVu Sans,26,&H00FFFFFF,&H40000000,&H40000000,3,6,0,2,60,60,18",
        "Style: badge,DejaVu Sans,18,&H00FFFFFF,&H40803010,&H40803010,3,5,0,9,20,20,14",
        "",
        "[Events]",
        "Format: Layer, Start, End, Style, Text",
    ]
    return "\n".join([*head, *_events(spoken, "said"), *_events(badges, "badge")]) + "\n"


def _events(shown: Sequence[Caption], style: str) -> Iterator[str]:
    for each in shown:
        text = r"\N".join(textwrap.wrap(each.text, CAPTION_WIDTH)).replace("{", "(").replace("}", ")")
        yield f"Dialogue: 0,{_time(each.start)},{_time(each.end)},{style},{text}"


def _time(seconds: float) -> str:
    hundredths = round(seconds * 100)
    return f"{hundredths // 360000}:{hundredths // 6000 % 60:02}:{hundredths // 100 % 60:02}.{hundredths % 100:02}"
