"""A voice for the words: espeak-ng speaks them, and the silence after each scene is put between."""

import subprocess
import wave
from collections.abc import Sequence
from pathlib import Path

VOICE, WORDS_A_MINUTE = "en-gb-x-rp", 158


def speak(text: str, target: Path) -> float:
    """Speak a text into a WAV file and return its seconds."""
    words = ["espeak-ng", "-v", VOICE, "-s", str(WORDS_A_MINUTE), "-g", "3", "-w", str(target), text]
    subprocess.run(words, check=True)
    return seconds(target)


def seconds(path: Path) -> float:
    """How long a WAV file is."""
    with wave.open(str(path)) as sound:
        return float(sound.getnframes() / sound.getframerate())


def join(parts: Sequence[tuple[Path, float]], target: Path) -> None:
    """One WAV of several, each followed by silence until its scene is over.

    Args:
        parts: WAV files of one format, each with the seconds that its scene is shown.
        target: file to write.
    """
    # What a part was too long or short by rounding is made good by the next.
    owed = 0.0
    with wave.open(str(target), "wb") as whole:
        for number, (path, shown) in enumerate(parts):
            with wave.open(str(path)) as sound:
                if number == 0:
                    whole.setparams(sound.getparams())
                rate, width = sound.getframerate(), sound.getsampwidth() * sound.getnchannels()
                frames = sound.readframes(sound.getnframes())
            owed += shown * rate
            frames = frames[: round(owed) * width].ljust(round(owed) * width, b"\0")
            owed -= len(frames) // width
            whole.writeframes(frames)
