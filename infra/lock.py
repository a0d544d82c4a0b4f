"""Check the locks in `infra/` against `pyproject.toml`, or write them anew.

`python -m infra.lock` needs neither network nor installed packages. `python -m infra.lock --write` calls `uv`.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "pyproject.toml"
LOCK = ROOT / "infra" / "requirements.lock"
# What an image installs is a part of that; `requirements-<image>.in` names its direct dependencies.
IMAGES = ("graph", "serving")
# What builds the wheel of this repository.
BUILD_LOCK = ROOT / "infra" / "requirements-build.lock"

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


def disagreements(project: str, lock: str, wanted: Collection[str] | None = None) -> list[str]:
    """One sentence for each point in which the texts of `pyproject.toml` and a lock disagree; none when they agree.

    Args:
        project: text of `pyproject.toml`.
        lock: text of the lock.
        wanted: names of the direct dependencies that the lock is for; all of them when None.
    """
    pins, loose = direct_pins(project)
    versions, wrong = locked_versions(lock)
    found = loose + wrong
    for name, version in pins.items():
        if wanted is not None and name not in wanted:
            continue
        locked = versions.get(name, set())
        if locked != {version}:
            says = " and ".join(sorted(locked)) or "nothing"
            found.append(f"{name}: pyproject.toml says {version}, requirements.lock says {says}; {_REMEDY}")
    return found


def image_file(image: str, suffix: str) -> Path:
    """The `.in` or `.lock` file of an image's requirements."""
    return LOCK.with_name(f"requirements-{image}.{suffix}")


def names_in(text: str) -> set[str]:
    """Normalised names of the packages that a `.in` text lists."""
    lines = (line.partition("#")[0].partition("[")[0].strip() for line in text.splitlines())
    return {_normalised(line) for line in lines if line}


def strangers(image: str, lock: str, whole: str) -> list[str]:
    """One sentence for each package of an image's lock that the whole lock has not in that very version."""
    versions, known = locked_versions(lock)[0], locked_versions(whole)[0]
    return [
        f"{name}: requirements-{image}.lock says {' and '.join(sorted(found))}, which requirements.lock does "
        f"not have; {_REMEDY}"
        for name, found in versions.items()
        if not found <= known.get(name, set())
    ]


def check() -> list[str]:
    """Every disagreement between the locks and `pyproject.toml`."""
    project, whole = PROJECT.read_text(), _text(LOCK)
    found = disagreements(project, whole)
    for image in IMAGES:
        lock = _text(image_file(image, "lock"))
        found += disagreements(project, lock, names_in(_text(image_file(image, "in"))))
        found += strangers(image, lock, whole)
    build, wrong = locked_versions(_text(BUILD_LOCK))
    builder = _PIN.match(tomllib.loads(project)["build-system"]["requires"][0])
    if builder is None or build.get(builder["name"]) != {builder["version"]}:
        found.append(f"requirements-build.lock is not for the build system of pyproject.toml; {_REMEDY}")
    return list(dict.fromkeys(found + wrong))


def write_locks() -> None:
    """Resolve all for all supported platforms with `uv`, keeping what still fits."""
    _compile(str(PROJECT), LOCK, "--extra", "server")
    for image in IMAGES:
        _compile(str(image_file(image, "in")), image_file(image, "lock"), "--constraint", str(LOCK))
    requires = tomllib.loads(PROJECT.read_text())["build-system"]["requires"]
    _compile("-", BUILD_LOCK, given="\n".join(requires))


def _compile(source: str, target: Path, *options: str, given: str | None = None) -> None:
    # No header and no annotations: the file holds names, versions and hashes only, and no address.
    command = ["uv", "pip", "compile", source, "--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--quiet", *options, "--output-file", str(target)]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, input=given, text=True)


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when all agree, 1 (and say why on standard error) when not."""
    parser = argparse.ArgumentParser(prog="python -m infra.lock", description=__doc__)
    parser.add_argument("--write", action="store_true", help="resolve anew with uv before the check")
    if parser.parse_args(arguments).write:
        write_locks()
    found = check()
    for sentence in found:
        print(sentence, file=sys.stderr)
    if not found:
        locks = {"all": LOCK, **{image: image_file(image, "lock") for image in IMAGES}, "build": BUILD_LOCK}
        sizes = [f"{name} {len(locked_versions(path.read_text())[0])}" for name, path in locks.items()]
        print(f"the locks agree with pyproject.toml; packages: {', '.join(sizes)}")
    return 1 if found else 0


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


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
