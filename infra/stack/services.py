"""The services of `compose.yaml` as commands of this machine: same commands, same environment, no containers.

Every service gets a loopback address of its own (Linux has 127.0.0.0/8), so each keeps the port that it has in its
container, and nothing collides with what else runs here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from infra.stack.dockerfile import read_dockerfile

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "infra" / "compose" / "compose.yaml"
SECRETS = ("POSTGRES_PASSWORD", "S3_ACCESS_KEY", "S3_SECRET_KEY", "GRAFANA_PASSWORD")
# Their programs are not on every machine, and no other service needs them.
NOT_STARTED = ("prometheus", "grafana")

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


class StackError(click.ClickException):
    """A service does not start, or a program that it needs is not on this machine."""


@dataclass(frozen=True)
class Service:
    """One service: what it runs and what must be there before.

    Attributes:
        name: its name in `compose.yaml`.
        address: its loopback address.
        image: `graph`, `serving`, or the name of a foreign image.
        command: program and arguments; empty for foreign images that have their own.
        environment: its variables, those of the image included.
        health: command that exits 0 when it is healthy; empty for one that runs to its end.
        needs: services that must be healthy, or for one that ends, done.
        grace_seconds: how long it may take to stop.
    """

    name: str
    address: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    health: tuple[str, ...]
    needs: tuple[str, ...]
    grace_seconds: float


def read_services(
    home: Path, network: str, secrets: Mapping[str, str], *, in_images: bool = False
) -> list[Service]:
    """Read `compose.yaml` as services of this machine, each after what it needs.

    Args:
        home: folder for what the services keep; one below it for each.
        network: first three numbers of the loopback addresses, such as `127.83.0`.
        secrets: values for the variables that `compose.yaml` requires.
        in_images: whether our services will see the folders of their images; else those of this repository stand in.

    Raises:
        KeyError: a required variable has no value.
    """
    text = _VARIABLE.sub(lambda match: _filled(match, secrets), COMPOSE.read_text(encoding="utf-8"))
    found: Mapping[str, Any] = yaml.safe_load(text)["services"]
    chosen = {name: facts for name, facts in found.items() if name not in NOT_STARTED}
    addresses = {name: f"{network}.{number}" for number, name in enumerate(chosen, start=2)}
    services = [_service(name, facts, addresses, home, in_images) for name, facts in chosen.items()]
    return _ordered(services)


def _service(
    name: str, facts: Mapping[str, Any], addresses: Mapping[str, str], home: Path, in_images: bool
) -> Service:
    image = re.sub(r"^prodclf-(\w+):.*$", r"\1", str(facts["image"]))
    of_image = {}
    if image in ("graph", "serving"):
        of_image = read_dockerfile(ROOT / "infra" / "docker" / f"{image}.Dockerfile")[-1].environment
        of_image.pop("PATH")
    environment = {key: str(value) for key, value in {**of_image, **facts.get("environment", {})}.items()}
    check = facts.get("healthcheck", {})
    health = [] if check.get("disable") else check.get("test", [])[1:]

    def here(value: str) -> str:
        return _here(value, name, addresses, home, in_images)

    return Service(
        name=name,
        address=addresses[name],
        image=image,
        command=tuple(here(word) for word in facts.get("command", ())),
        environment={key: addresses.get(value) or here(value) for key, value in environment.items()},
        health=tuple(here(word) for word in health),
        needs=tuple(facts.get("depends_on", ())),
        grace_seconds=_seconds(str(facts.get("stop_grace_period", "10s"))),
    )


def _here(value: str, name: str, addresses: Mapping[str, str], home: Path, in_images: bool) -> str:
    """A command's word or a variable's value with container names, addresses and folders replaced by ours."""
    for service, address in addresses.items():
        value = re.sub(rf"\b{service}(?=:\d)", address, value)
    value = value.replace("0.0.0.0", addresses[name]).replace("127.0.0.1", addresses[name])
    if not in_images:
        docker = ROOT / "infra" / "docker"
        value = value.replace("/opt/prodclf", str(docker)).replace("/etc/prodclf", str(docker))
        value = value.replace("/var/lib/prodclf", str(home / name))
    return value


def _filled(match: re.Match[str], values: Mapping[str, str]) -> str:
    if match["kind"] == "?" or match["kind"] is None:
        return values[match["name"]]
    return values.get(match["name"]) or match["rest"]


def _seconds(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * _SECONDS[unit]


def _ordered(services: list[Service]) -> list[Service]:
    """Each after what it needs, otherwise in the order of the file."""
    ordered: list[Service] = []
    waiting = list(services)
    while waiting:
        done = {each.name for each in ordered}
        ready = next(each for each in waiting if done.issuperset(each.needs))
        waiting.remove(ready)
        ordered.append(ready)
    return ordered
