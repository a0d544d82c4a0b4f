"""The film: its script can be played, captions keep time with the voice, and (slow) a short one is really made."""

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodclf_tests.documents import ROOT, TEXTS, inline_commands, shell_commands, words_of
from prodclf_tests.film.script import (
    BREATH_SECONDS,
    CAPTION_LINES,
    CAPTION_WIDTH,
    STILL_SECONDS,
    Caption,
    ScriptError,
    captions,
    read_script,
    shown_seconds,
    subtitles,
)
from prodclf_tests.film.system import SERVERS
from prodclf_tests.film.voice import WORDS_A_MINUTE

SCRIPT = read_script()


def test_script_says_about_five_minutes() -> None:
    words = sum(len(scene.say.split()) for scene in SCRIPT)
    assert 3.5 <= words / WORDS_A_MINUTE <= 5
    assert len({scene.name for scene in SCRIPT}) == len(SCRIPT)


def test_commands_of_the_film_are_those_of_the_readme() -> None:
    told = set(shell_commands(TEXTS[ROOT / "README.md"])) | set(inline_commands(TEXTS[ROOT / "README.md"]))
    shown = [value for scene in SCRIPT for action, value in scene.do if action == "run"]
    shown += [SERVERS[value].command for scene in SCRIPT for action, value in scene.do if action == "start"]
    assert {each for each in shown if words_of(each) or "dagster" in each or "mlflow" in each} <= told


def test_servers_are_started_before_they_are_shown() -> None:
    started: set[str] = set()
    for action, value in itertools.chain.from_iterable(scene.do for scene in SCRIPT):
        if action == "start":
            started.add(value)
        elif action == "open" and ":" in value:
            assert value.partition(":")[0] in started


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "a list of scenes is wanted"),
        ("[{name: a, do: [{pause: 1}]}]", "scene 1: say is missing"),
        ("[{name: a, say: b, do: [{jump: 1}]}]", r"scene 1 \(a\): .* is none of card, run"),
    ],
)
def test_script_that_cannot_be_played_is_told(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "script.yaml").write_text(text)
    with pytest.raises(ScriptError, match=says):
        read_script(tmp_path / "script.yaml")


WORDS = st.lists(st.text("abcdefgh{}", min_size=1, max_size=12), min_size=1, max_size=80).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(WORDS, st.floats(0, 300), st.floats(0.5, 60))
def test_captions_say_it_all_while_it_is_spoken(text: str, start: float, spoken: float) -> None:
    found = captions(text, start, spoken)
    assert " ".join(each.text for each in found) == text
    assert (found[0].start, found[-1].end) == (start, pytest.approx(start + spoken))
    assert all(a.end == b.start for a, b in itertools.pairwise(found))
    assert all(len(each.text) <= CAPTION_LINES * (CAPTION_WIDTH + 1) for each in found)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 40), min_size=1, max_size=50), st.floats(0, 40), st.floats(0.5, 30))
def test_scene_lasts_as_long_as_its_words(gaps: list[float], last: float, spoken: float) -> None:
    times = list(itertools.accumulate(gaps))
    seconds, faster = shown_seconds(times, times[-1] + last, spoken)
    assert sum(seconds) == pytest.approx(spoken + BREATH_SECONDS)
    assert len(seconds) == len(times)
    assert all(each <= STILL_SECONDS + 1e-9 for each in seconds[:-1])
    assert faster >= 1


def test_what_is_not_slow_is_shown_as_it_was() -> None:
    assert shown_seconds([10, 10.5, 11], 11.5, 4.0) == ([0.5, 0.5, 0.5 + 3.2], 1.0)


def test_subtitles_are_in_time_and_in_two_places() -> None:
    text = subtitles([Caption(0, 61.5, "one {two}")], [Caption(3661, 3662, "4 times as fast")])
    assert "Dialogue: 0,0:00:00.00,0:01:01.50,said,one (two)" in text
    assert "Dialogue: 0,1:01:01.00,1:01:02.00,badge,4 times as fast" in text


SHORT = """
- {name: card, say: "This is a card.", do: [{card: {title: A card, lines: ["with `code`"]}}]}
- {name: command, say: "And this is a command that was really run.", do: [{run: "seq 40; ls incoming"}]}
"""


@pytest.mark.slow
def test_film_is_made(tmp_path: Path) -> None:
    needed = ("ffmpeg", "ffprobe", "espeak-ng", "chromium")
    if not all(map(shutil.which, needed)):
        pytest.skip(f"needs {', '.join(needed)}")
    from prodclf_tests.film.__main__ import play

    (tmp_path / "script.yaml").write_text(SHORT)
    film = tmp_path / "film.mp4"
    length = play(read_script(tmp_path / "script.yaml"), film, None, rows=200)
    asked = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(film)]
    facts = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
    assert {each["codec_name"] for each in facts["streams"]} == {"h264", "aac"}
    assert float(facts["format"]["duration"]) == pytest.approx(length, abs=0.3)
