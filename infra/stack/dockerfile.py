"""Read a Dockerfile: its stages and instructions, as far as ours use the language."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name in capitals and what follows it, continued lines joined."""

    name: str
    value: str

    @property
    def words(self) -> list[str]:
        """What follows as a list: of a JSON array (exec form), else split as a shell splits."""
        if self.value.startswith("["):
            return [str(word) for word in json.loads(self.value)]
        return shlex.split(self.value)

    @property
    def pairs(self) -> dict[str, str]:
        """What follows as `NAME=value` pairs, for ENV, LABEL and ARG."""
        return dict(word.partition("=")[::2] for word in self.words)


@dataclass
class Stage:
    """One build stage: what it starts from, its name, and its instructions in order."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def last(self, name: str) -> Instruction | None:
        """The last instruction of a name, which is the one that counts for USER, CMD and the like."""
        return next((each for each in reversed(self.instructions) if each.name == name), None)

    @property
    def environment(self) -> dict[str, str]:
        """What its ENV instructions set; `$PATH` stays as written."""
        found: dict[str, str] = {}
        for each in self.instructions:
            if each.name == "ENV":
                found |= each.pairs
        return found

    @property
    def health_command(self) -> list[str]:
        """The command of its HEALTHCHECK; empty without one."""
        check = self.last("HEALTHCHECK")
        return Instruction("CMD", check.value.partition("CMD ")[2].strip()).words if check else []


def read_dockerfile(path: Path) -> list[Stage]:
    """Read the stages of a Dockerfile, build arguments of before the first stage filled in.

    Raises:
        ValueError: an instruction stands before the first FROM that may not.
    """
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for each in _instructions(path.read_text(encoding="utf-8")):
        if each.name == "FROM":
            base, _, name = each.value.partition(" AS ")
            for argument, value in arguments.items():
                base = base.replace(f"${{{argument}}}", value)
            stages.append(Stage(base, name.strip()))
        elif stages:
            stages[-1].instructions.append(each)
        elif each.name == "ARG":
            arguments |= each.pairs
        else:
            raise ValueError(f"{path}: {each.name} before the first FROM")
    return stages


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for statement in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if statement.strip():
            name, _, value = statement.strip().partition(" ")
            yield Instruction(name.upper(), re.sub(r"\s+", " ", value).strip())
