"""Runs below another run."""

from typing import Any

import pytest

from prodclf_assets.registry.connection import Connection
from prodclf_assets.registry.runs import log_nested


@pytest.fixture
def connection(mlflow_uri: str) -> Connection:
    return Connection(mlflow_uri, "prodclf", None)


def below(connection: Connection, parent: str) -> list[Any]:
    experiment = connection.experiment_id()
    return list(
        connection.client.search_runs([experiment], filter_string=f"tags.`mlflow.parentRunId` = '{parent}'")
    )


def test_a_nested_run_is_written_once_and_finished_where_it_was_cut_off(connection: Connection) -> None:
    client, experiment = connection.client, connection.experiment_id()
    parent, other = (client.create_run(experiment).info.run_id for _ in range(2))
    # A process that is killed in the middle leaves a run that is not finished.
    tags = {"mlflow.parentRunId": parent}
    half = client.create_run(experiment, run_name="trial 001", tags=tags).info.run_id
    for gain in (0.5, 0.7):
        log_nested(client, experiment, parent, "trial 001", params={"leaves": 7}, metrics={"gain": gain})
    log_nested(client, experiment, other, "trial 001", params={"leaves": 9}, metrics={"gain": 0.1})
    (run,) = below(connection, parent)
    assert run.info.run_id == half
    assert (run.info.run_name, run.info.status) == ("trial 001", "FINISHED")
    assert (run.data.params, run.data.metrics) == ({"leaves": "7"}, {"gain": 0.5})
    (elsewhere,) = below(connection, other)
    assert elsewhere.data.params == {"leaves": "9"}
