"""Register bundles, name them by alias, fetch them, and change the champion with a record of why."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prodclf_assets.errors import RegistryError
from prodclf_assets.lake import Lake
from prodclf_assets.registry.promotions import PROMOTIONS_LOG, Event, previous_champion, promotion_record
from prodclf_assets.registry.reading import RegistryReader
from prodclf_assets.registry.runs import joined_run, log_facts, log_model
from prodclf_assets.registry.versions import (
    BUNDLE_HASH,
    CHALLENGER,
    CHAMPION,
    NUMBERS,
    PROMOTED,
    REFUSED,
    ROLLED_BACK,
    RegisteredVersion,
    hashes_of,
)
from prodclf_assets.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import LoggedModel


class Registry(RegistryReader):
    """The versions of one registered model, to be added to, named and promoted."""

    def ensure_experiment(self) -> str:
        """Return the id of the experiment; create it, with its artifact location, when it is absent."""
        return self._connection.experiment_id()

    def log_and_register(
        self,
        bundle_dir: Path,
        *,
        run_id: str | None = None,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, object] | None = None,
        artifacts: Mapping[str, Path] | None = None,
        input_example: "pd.DataFrame | None" = None,
        description: str = "",
    ) -> RegisteredVersion:
        """Log a bundle with what is known of it, and register it as the next version of the model.

        Registering the same bundle from the same run again (a retried step) returns the version it has.

        Args:
            bundle_dir: the bundle's folder.
            run_id: the MLflow run to log to; a new one, ended here, when None.
            params: settings of the training.
            metrics: its measurements.
            tags: put on the run and on the version.
            artifacts: files and folders to keep with the run, by the name they get there.
            input_example: a few products; columns that are not a product's are left out.
            description: the model card, shown with the version.
        """
        hashes = hashes_of(bundle_dir)
        if run_id is not None:
            for known in self.list_versions():
                if known.run_id == run_id and known.bundle_hash == hashes[BUNDLE_HASH]:
                    return known
        marks = {**hashes, **{key: str(value) for key, value in (tags or {}).items()}}
        experiment_id, client = self.ensure_experiment(), self._connection.client
        with (
            self._connection.explained(f"register {self.model_name!r}"),
            joined_run(client, experiment_id, run_id) as run,
        ):
            log_facts(client, run, params=params or {}, tags=marks, artifacts=artifacts or {})
            model = log_model(
                client, run, bundle_dir, tags=marks, metrics=metrics or {}, input_example=input_example
            )
            return self._register(run, model, marks, description)

    def set_alias(self, alias: str, version: int | str) -> None:
        """Let an alias name this version, and no other from now on."""
        client = self._connection.client
        with self._connection.explained(f"set alias {alias!r} to version {version} of {self.model_name!r}"):
            client.set_registered_model_alias(self.model_name, alias, str(version))

    def promote(
        self,
        version: int | str,
        reason: str,
        lake: Lake,
        *,
        numbers: Mapping[str, Any] | None = None,
        automatic: bool = False,
    ) -> RegisteredVersion:
        """Make a version the champion and write it to the promotion log.

        Args:
            version: version number or alias.
            reason: why, as a person would say it.
            lake: keeps the promotion log.
            numbers: the measurements behind the decision, kept in the log.
            automatic: no person decided this; a version that was rolled back is then refused.

        Raises:
            RegistryError: the version is unknown, or was rolled back and only a person may bring it back.
        """
        chosen = self.resolve(version)
        if automatic and chosen.bundle_hash and self.was_rolled_back(chosen.bundle_hash):
            raise RegistryError(
                f"version {chosen.version} of {self.model_name!r} was rolled back and is not promoted again by "
                f"itself: run `prodclf models promote {chosen.version}` if it should be"
            )
        self._change_champion("promote", chosen, reason, lake, numbers or {})
        client = self._connection.client
        with self._connection.explained(f"tag version {chosen.version} of {self.model_name!r}"):
            self._tag(chosen, PROMOTED, reason)
            if numbers:
                self._tag(chosen, NUMBERS, json.dumps(dict(numbers)))
            for mark in {ROLLED_BACK, REFUSED} & chosen.tags.keys():
                client.delete_model_version_tag(self.model_name, str(chosen.version), mark)
            if CHALLENGER in chosen.aliases:
                client.delete_registered_model_alias(self.model_name, CHALLENGER)
        return self.resolve(chosen.version)

    def refuse(
        self, version: int | str, reason: str, lake: Lake, *, numbers: Mapping[str, Any] | None = None
    ) -> None:
        """Write to the promotion log, and on the version, that it does not become the champion and why.

        A version that is the champion, or has been, keeps what it was promoted for.
        """
        chosen = self.resolve(version)
        self._log("refuse", chosen, reason, lake, numbers or {})
        if PROMOTED in chosen.tags:
            return
        with self._connection.explained(f"tag version {chosen.version} of {self.model_name!r}"):
            self._tag(chosen, REFUSED, reason)
            if numbers:
                self._tag(chosen, NUMBERS, json.dumps(dict(numbers)))

    def rollback(self, reason: str, lake: Lake) -> RegisteredVersion:
        """Restore the champion before this one, as the promotion log has it, and mark the one that leaves.

        Raises:
            RegistryError: there is no champion, or none before it.
        """
        current = self.resolve(CHAMPION)
        previous = previous_champion(lake.read_log(PROMOTIONS_LOG), self.model_name, current.version)
        if previous is None:
            raise RegistryError(
                f"{self.model_name!r} has no champion before version {current.version} to go back to: promote "
                "another version with `prodclf models promote VERSION`"
            )
        restored = self.resolve(previous)
        # Marked first: killed after this line the old champion still serves, but no gate brings it back later.
        with self._connection.explained(f"tag version {current.version} of {self.model_name!r}"):
            self._tag(current, ROLLED_BACK, reason)
        self._change_champion("rollback", restored, reason, lake, {})
        return self.resolve(restored.version)

    def _register(
        self, run_id: str, model: "LoggedModel", tags: Mapping[str, str], description: str
    ) -> RegisteredVersion:
        from mlflow.exceptions import MlflowException

        client = self._connection.client
        try:
            client.create_registered_model(self.model_name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        created = client.create_model_version(
            self.model_name,
            # Not `models:/<id>`: a database store would look that up in the process's global tracking store.
            source=model.artifact_location,
            run_id=run_id,
            tags=dict(tags),
            description=description,
            model_id=model.model_id,
        )
        # What makes the model's page in MLflow link to the version.
        link = json.dumps([{"name": self.model_name, "version": created.version}])
        client.set_logged_model_tags(model.model_id, {"mlflow.modelVersions": link})
        return self.resolve(int(created.version))

    def _change_champion(
        self, event: Event, to: RegisteredVersion, reason: str, lake: Lake, numbers: Mapping[str, Any]
    ) -> None:
        # Written first: whatever is killed here, nothing is ever served that the log does not name.
        self._log(event, to, reason, lake, numbers)
        self.set_alias(CHAMPION, to.version)

    def _log(
        self, event: Event, of: RegisteredVersion, reason: str, lake: Lake, numbers: Mapping[str, Any]
    ) -> None:
        with self._connection.explained(f"look up the champion of {self.model_name!r}"):
            before = self._aliases().get(CHAMPION)
        record = promotion_record(
            event,
            self.model_name,
            of.version,
            previous=before,
            reason=reason,
            bundle_hash=of.bundle_hash,
            numbers=numbers,
        )
        lake.append(PROMOTIONS_LOG, record)

    def _tag(self, version: RegisteredVersion, key: str, value: str) -> None:
        self._connection.client.set_model_version_tag(self.model_name, str(version.version), key, value)


def open_registry(settings: Settings) -> Registry:
    """Return the registry that the environment names; models lie in the lake's bucket when the lake is on S3.

    A tracking server has its own place for artifacts and is left to it.
    """
    remote = settings.tracking_uri.startswith(("http://", "https://"))
    if remote:
        location = None
    elif settings.lake.startswith("s3://"):
        location = f"{settings.lake.rstrip('/')}/_mlflow"
    else:
        location = str(settings.home.resolve() / "mlflow-artifacts")
    return Registry(settings.tracking_uri, settings.model_name, artifact_location=location)
