"""Check `infra/requirements.lock` against `pyproject.toml`, or write it anew.

`python -m infra.lock` needs neither network nor installed packages. `python -m infra.lock --write` calls `uv`.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "pyproject.toml"
LOCK = ROOT / "infra" / "requirements.lock"

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?==(?P<version>[^\s;]+)$")
_ENTRY = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>[A-Za-z0-9.!+_-]+)( ; [^#/\\]+)?$")
_HASH = re.compile(r"^--hash=sha256:[0-9a-f]{64}$")
_REMEDY = "run `python -m infra.lock --write`"


def direct_pins(project: str) -> tuple[dict[str, str], list[str]]:
    """Read the runtime dependencies of a pyproject text: versions by normalised name, and what is not pinned exactly."""
    pins, loose = {}, []
    for requirement in tomllib.loads(project)["project"]["dependencies"]:
        match = _PIN.match(requirement.replace(" ", ""))
        if match:
            pins[_normalised(match["name"])] = match["version"]
        else:
            loose.append(f"pyproject.toml: {requirement!r} is not pinned; write it as name==version")
    return pins, loose


def locked_versions(lock: str) -> tuple[dict[str, set[str]], list[str]]:
    """Read a lock text: versions by name (several where markers tell them apart), and each line that does not belong."""
    versions: dict[str, set[str]] = defaultdict(set)
    wrong = []
    for number, line in _entries(lock):
        head, *hashes = (part.strip() for part in line.split("\\\n"))
        entry = _ENTRY.match(head)
        if entry is None:
            wrong.append(
                f"requirements.lock line {number}: not name==version with hashes: {head[:80]!r}; {_REMEDY}"
            )
            continue
        versions[_normalised(entry["name"])].add(entry["version"])
        if not hashes or not all(_HASH.match(each) for each in hashes):
            wrong.append(
                f"requirements.lock line {number}: {entry['name']} lacks a proper sha256 hash; {_REMEDY}"
            )
    return dict(versions), wrong


def disagreements(project: str, lock: str) -> list[str]:
    """One sentence for each point in which the texts of `pyproject.toml` and the lock disagree; none when they agree."""
    pins, loose = direct_pins(project)
    versions, wrong = locked_versions(lock)
    found = loose + wrong
    for name, version in pins.items():
        locked = versions.get(name, set())
        if locked != {version}:
            says = " and ".join(sorted(locked)) or "nothing"
            found.append(f"{name}: pyproject.toml says {version}, requirements.lock says {says}; {_REMEDY}")
    return found


def write_lock() -> None:
    """Resolve the runtime dependencies for all supported platforms with `uv`, keeping what still fits."""
    # No header and no annotations: the file holds names, versions and hashes only, and no address.
    command = [
        "uv",
        "pip",
        "compile",
        str(PROJECT),
        "--universal",
        "--python-version",
        "3.11",
        "--generate-hashes",
    ]
    command += ["--no-header", "--no-annotate", "--quiet", "--output-file", str(LOCK)]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when the two files agree, 1 (and say why on standard error) when not."""
    parser = argparse.ArgumentParser(prog="python -m infra.lock", description=__doc__)
    parser.add_argument("--write", action="store_true", help="resolve anew with uv before the check")
    if parser.parse_args(arguments).write:
        write_lock()
    lock = LOCK.read_text() if LOCK.exists() else ""
    found = disagreements(PROJECT.read_text(), lock)
    for sentence in found:
        print(sentence, file=sys.stderr)
    if not found:
        print(f"requirements.lock agrees with pyproject.toml: {len(locked_versions(lock)[0])} packages")
    return 1 if found else 0


def _entries(lock: str) -> list[tuple[int, str]]:
    """The entries of a lock with the line each begins on; a line that ends in a backslash goes on."""
    entries: list[tuple[int, str]] = []
    goes_on = False
    for number, line in enumerate(lock.splitlines(), start=1):
        if goes_on:
            start, text = entries.pop()
            entries.append((start, f"{text}\n{line}"))
        elif line.strip():
            entries.append((number, line))
        goes_on = line.endswith("\\")
    return entries


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
