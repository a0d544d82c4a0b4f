"""Frames, captions and a voice become one film."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prodclf_tests.film import voice
from prodclf_tests.film.script import BREATH_SECONDS, Caption, Scene, captions, shown_seconds, subtitles

# A speed that is worth telling the viewer.
TOLD_SPEED = 1.5
RATE = 15


class FilmError(RuntimeError):
    """Ffmpeg failed; says how."""


@dataclass(frozen=True)
class Shot:
    """What was recorded of one scene.

    Attributes:
        scene: what was said and done.
        frames: pictures with the second at which each came, ascending.
        end: second at which the scene was over.
    """

    scene: Scene
    frames: tuple[tuple[float, Path], ...]
    end: float


def make_film(shots: Sequence[Shot], folder: Path, target: Path) -> float:
    """Make a film and return its seconds.

    Args:
        shots: the scenes in order.
        folder: for what is made on the way.
        target: MP4 file to write.

    Raises:
        FilmError: ffmpeg fails.
    """
    now, spoken, badges, pictures, sounds = 0.0, [], [], [], []
    for number, shot in enumerate(shots):
        sound = folder / f"{number:02}.wav"
        length = voice.speak(shot.scene.say, sound)
        seconds, faster = shown_seconds([time for time, _ in shot.frames], shot.end, length)
        spoken += captions(shot.scene.say, now, length)
        if faster >= TOLD_SPEED:
            badges.append(Caption(now, now + sum(seconds) - BREATH_SECONDS, f"{faster:.0f} times as fast"))
        pictures += [(path, each) for (_, path), each in zip(shot.frames, seconds, strict=True)]
        sounds.append((sound, sum(seconds)))
        now += sum(seconds)
    voice.join(sounds, folder / "voice.wav")
    (folder / "said.ass").write_text(subtitles(spoken, badges), encoding="utf-8")
    (folder / "frames.txt").write_text(_list(pictures), encoding="utf-8")
    _encode(folder, target)
    return now


def _list(pictures: Sequence[tuple[Path, float]]) -> str:
    """Ffmpeg's list of files and seconds; it drops the last one's unless that is named again."""
    lines = [f"file '{path}'\nduration {seconds:.4f}" for path, seconds in pictures]
    return "\n".join(["ffconcat version 1.0", *lines, f"file '{pictures[-1][0]}'"]) + "\n"


def _encode(folder: Path, target: Path) -> None:
    inputs = ["-f", "concat", "-safe", "0", "-i", "frames.txt", "-i", "voice.wav"]
    picture = ["-vf", f"scale=1280:720,fps={RATE},subtitles=said.ass", "-c:v", "libx264", "-crf", "23"]
    rest = ["-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "96k", "-shortest", "-movflags", "+faststart"]
    command = ["ffmpeg", "-y", "-loglevel", "error", *inputs, *picture, *rest, str(target.resolve())]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise FilmError(f"ffmpeg failed: {done.stderr.strip()[-1500:]}")
