"""Build our images without a container engine, and run the whole system in them.

Run as root below `unshare --mount`: each stage is an overlay over a Debian base with Python, in which every instruction of the
Dockerfile is carried out by `chroot`; a container is that, read-only, with a process namespace of its own and the
image's user. What is printed at the end is JSON.
"""

import fnmatch
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra.docker import slim
from infra.stack.dockerfile import Instruction, Stage, read_dockerfile
from infra.stack.processes import healthy, running
from infra.stack.services import ROOT, Service
from infra.stack.walk import walk

NETWORK = "127.85.0"
# Starts a container and passes the stop signal on to its first process, which `unshare` does not.
_CONTAINER = """
unshare --mount --pid --fork --kill-child sh -c '
set -e
mount --bind {volume} {root}/var/lib/prodclf
mount -t tmpfs -o mode=1777 tmpfs {root}/tmp
mount -t tmpfs -o mode=1777 tmpfs {root}/dev/shm
mount -t proc proc {root}/proc
mount -o remount,bind,ro {root}
exec /usr/sbin/chroot --userspec={user} {root} {words}' &
outer=$!
trap 'kill -TERM $(cat /proc/$outer/task/$outer/children)' TERM
wait $outer
wait $outer
"""


@dataclass
class Image:
    """One built stage."""

    stage: Stage
    root: Path
    upper: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"


def make_base(base: Path) -> None:
    """A Debian with Python where the official image has it, and this machine's way to the package registries."""
    subprocess.run(
        [
            "debootstrap",
            "--variant=minbase",
            "--include=python3,python3-venv,ca-certificates",
            "bookworm",
            base,
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (base / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    for name in ("etc/resolv.conf", "etc/pip.conf", "etc/ssl/certs/ca-certificates.crt"):
        with suppress(FileNotFoundError):
            shutil.copy(f"/{name}", base / name)
    (base / "dev/shm").mkdir(exist_ok=True)
    # As in the official images: apt keeps no cache.
    (base / "etc/apt/apt.conf.d/docker-clean").write_text(
        'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";\n'
    )


def send_context(work: Path) -> Path:
    """Copy what a build may see, once: both images are of the same state, whatever changes meanwhile."""
    context = work / "context"
    shutil.copytree(ROOT, context, ignore=_ignored, ignore_dangling_symlinks=True)
    return context


def build(dockerfile: Path, base: Path, work: Path, context: Path) -> Image:
    """Carry out a Dockerfile and return its last stage."""
    built: dict[str, Image] = {}
    for stage in read_dockerfile(dockerfile):
        folder = work / f"{dockerfile.stem}-{stage.name}"
        paths = {name: folder / name for name in ("upper", "scratch", "root")}
        for path in paths.values():
            path.mkdir(parents=True)
        options = f"lowerdir={base},upperdir={paths['upper']},workdir={paths['scratch']}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, paths["root"]], check=True)
        for name in ("dev", "proc"):
            subprocess.run(["mount", "--bind", f"/{name}", paths["root"] / name], check=True)
        image = built[stage.name] = Image(stage, paths["root"], paths["upper"])
        for instruction in stage.instructions:
            _carry_out(instruction, image, built, context)
    return image


def _carry_out(instruction: Instruction, image: Image, built: Mapping[str, Image], context: Path) -> None:
    match instruction.name:
        case "RUN":
            path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            subprocess.run(
                ["chroot", image.root, "/bin/sh", "-c", f"cd {image.folder} && {instruction.value}"],
                env={"PATH": path, "DEBIAN_FRONTEND": "noninteractive", **image.environment},
                check=True,
                stdout=sys.stderr,
            )
        case "ENV":
            image.environment |= {
                name: value.replace("$PATH", "/usr/local/bin:/usr/bin:/bin")
                for name, value in instruction.pairs.items()
            }
        case "WORKDIR":
            image.folder = instruction.value
            (image.root / image.folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        case "COPY":
            _copy(instruction.words, image, built, context)


def _copy(words: list[str], image: Image, built: Mapping[str, Image], context: Path) -> None:
    """COPY as Docker does it: the content of a folder, a file under its name."""
    origin = context
    if words[0].startswith("--from="):
        origin, words = built[words[0].removeprefix("--from=")].root, words[1:]
    *sources, target = words
    into = image.root / (Path(image.folder) / target).relative_to("/")
    for source in sources:
        path = origin / source.lstrip("/")
        if path.is_dir():
            shutil.copytree(path, into, symlinks=True, dirs_exist_ok=True)
        else:
            into.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, into)


def in_context(path: str) -> bool:
    """Whether `.dockerignore` leaves a file of the repository in: the last line that fits it or a parent decides."""
    inside = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        parts = Path(path).parts
        fits = any(fnmatch.fnmatch("/".join(parts[:end]), pattern) for end in range(1, len(parts) + 1))
        fits |= line.startswith("**/") and any(fnmatch.fnmatch(part, pattern) for part in parts)
        if line and not line.startswith("#") and fits:
            inside = line.startswith("!")
    return inside


def _ignored(folder: str, names: list[str]) -> set[str]:
    """What the context leaves out; a folder that is left out may hold files that are not."""
    relative = Path(folder).relative_to(ROOT)
    wanted = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    paths = {name: str(relative / name) for name in names}
    return {
        name
        for name, path in paths.items()
        if not in_context(path) and not any(line.startswith(f"{path}/") for line in wanted)
    }


def contained(service: Service, images: Mapping[str, Image], volumes: Path) -> Service:
    """A service of ours as a container of its image."""
    image = images[service.image]
    user = image.stage.last("USER")
    entry = image.stage.last("ENTRYPOINT")
    assert user is not None
    assert entry is not None
    volume = volumes / service.name
    volume.mkdir(parents=True)
    # Docker too gives a container's output to its user, who may then open it by name: /proc/1/fd/1.
    log = volumes.parent / "home" / f"{service.name}.log"
    log.touch()
    for path in (volume, log):
        os.chown(path, *(int(part) for part in user.value.split(":")))
    variables = {**image.environment, **service.environment}
    prefix = ["/usr/bin/env", "-i", "-C", image.folder, *(f"{k}={v}" for k, v in variables.items())]
    words = shlex.join([*prefix, *entry.words, *service.command]).replace("'", "'\\''")
    script = _CONTAINER.format(volume=volume, root=image.root, user=user.value, words=words)
    # As `docker exec` does it, but for the namespaces.
    asked = ("/usr/sbin/chroot", f"--userspec={user.value}", str(image.root), *prefix, *service.health)
    return replace(service, command=("bash", "-c", script), health=asked if service.health else ())


def _members(folder: Path) -> Iterator[tuple[int, str]]:
    """User id and command line of every process whose root is this folder."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "root").readlink() == folder:
                status = (entry / "status").read_text()
                uid = next(line.split()[1] for line in status.splitlines() if line.startswith("Uid:"))
                yield int(uid), (entry / "cmdline").read_text().replace("\0", " ")


def main() -> None:
    """Build both images, start everything in them, follow two files, and print what was seen."""
    base, work = (Path(name) for name in sys.argv[1:3])
    make_base(base)
    context = send_context(work)
    images = {
        name: build(ROOT / "infra" / "docker" / f"{name}.Dockerfile", base, work, context)
        for name in ("graph", "serving")
    }
    seen: dict[str, object] = {
        name: {
            "whole": slim.size(image.upper),
            "largest": slim.largest(image.upper / "opt" / "prodclf"),
            "compilers": [
                name for name in ("gcc", "cc", "ld", "strip") if (image.root / "usr/bin" / name).exists()
            ],
        }
        for name, image in images.items()
    }
    print(json.dumps(seen), file=sys.stderr)
    with running(
        work / "home",
        NETWORK,
        tell=lambda text: print(text, file=sys.stderr),
        adapt=lambda service: contained(service, images, work / "volumes"),
        in_images=True,
    ) as stack:
        seen["answer"] = walk(stack, tell=lambda text: print(text, file=sys.stderr))
        seen["processes"] = {name: list(_members(image.root)) for name, image in images.items()}
        seen["healthy"] = {
            name: healthy(service, stack.home) for name, service in stack.services.items() if service.health
        }
        seen["request_log"] = stack.log("serving").count('"/predict"')
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
