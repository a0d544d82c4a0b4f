"""The documents of the repository, and the commands that they tell people to run."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXTS = {
    path: path.read_text(encoding="utf-8")
    for path in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
}
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# What begins a command of ours between two backticks; names of programs alone are no commands.
_INLINE = re.compile(r"`((?:uv run|python -m|prodclf) [^`]+)`")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return [body for name, body in _BLOCK.findall(text) if name == language]


def shell_commands(text: str) -> list[str]:
    """Every command of the shell blocks, its comment left out."""
    lines = (line for block in blocks(text, "sh") for line in block.splitlines())
    return [bare for line in lines if (bare := re.sub(r"\s+#.*$", "", line).strip())]


def inline_commands(text: str) -> list[str]:
    """Every command of ours that stands in a sentence or a table."""
    return _INLINE.findall(_BLOCK.sub("", text))


def words_of(command: str) -> list[str]:
    """The words of a command of ours from `prodclf` or the module's name on; none of another's."""
    words = shlex.split(command.split(" > ")[0])
    while words and (words[0] in ("uv", "run", "python", "-m") or "=" in words[0]):
        words.pop(0)
    ours = words and (words[0] == "prodclf" or re.match(r"(infra|prodclf_\w+)\.", words[0]))
    return words if ours else []
