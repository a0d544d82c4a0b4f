"""What the walk asks Dagster's webserver over GraphQL."""

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

_RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run {
    status tags { key value } stepStats { stepKey status startTime endTime }
    assetMaterializations { assetKey { path } metadataEntries {
        label ... on TextMetadataEntry { text } ... on FloatMetadataEntry { floatValue } } } } } }"""


class GraphError(click.ClickException):
    """Dagster refuses what it is asked."""


@dataclass(frozen=True)
class Run:
    """A run as it stands.

    Attributes:
        status: Dagster's word for it, such as `STARTED`, `SUCCESS`, `FAILURE`.
        started_by: name of the sensor that began it; empty when a person or a program did.
        done: the steps that have ended well, in order, with their seconds.
        metadata: texts and numbers of each asset that was made, by its name.
    """

    status: str
    started_by: str
    done: Mapping[str, float]
    metadata: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Graph:
    """Dagster at an address such as `http://127.83.0.7:3000`."""

    url: str

    def runs(self) -> set[str]:
        """Ids of the latest runs, 50 at the most."""
        found = self._ask("query { runsOrError(limit: 50) { ... on Runs { results { runId } } } }", {})
        return {str(each["runId"]) for each in found["runsOrError"]["results"]}

    def run(self, name: str) -> Run:
        """The run with this id."""
        found = self._ask(_RUN, {"id": name})["runOrError"]
        ended = [each for each in found["stepStats"] if each["status"] == "SUCCESS"]
        return Run(
            status=found["status"],
            started_by={each["key"]: each["value"] for each in found["tags"]}.get("dagster/sensor_name", ""),
            done={each["stepKey"]: each["endTime"] - each["startTime"] for each in ended},
            metadata={
                each["assetKey"]["path"][-1]: {
                    entry["label"]: entry.get("text", entry.get("floatValue"))
                    for entry in each["metadataEntries"]
                }
                for each in found["assetMaterializations"]
            },
        )

    def _ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        answer = answered(self.url + "/graphql", {"query": query, "variables": variables})
        if "errors" in answer:
            raise GraphError(f"Dagster refuses: {answer['errors']}")
        return dict(answer["data"])


def answered(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The JSON that an address answers, to a POST when there is a body.

    Raises:
        OSError: it does not answer, or with an error.
    """
    request = urllib.request.Request(url, headers={"Content-Type": "application/json"})
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, data, timeout=60) as response:
        return dict(json.load(response))
