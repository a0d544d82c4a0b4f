"""A store in an S3 bucket, or in anything that speaks S3 with conditional writes."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from prodclf_assets.errors import LakeError, LakeUnavailableError
from prodclf_assets.lake.store import MissingObjectError

REFUSED = {
    "403",
    "AccessDenied",
    "AuthFailure",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
MISSING = {"404", "NoSuchKey"}
BUSY = {"RequestTimeout", "Throttling", "ThrottlingException"}
# S3 answers 409 when two conditional writes of one key overlap, and asks the caller to try again.
CONFLICT_ATTEMPTS = 5
# What S3 takes in one request.
MOST_DELETED = 1000


@dataclass(frozen=True)
class S3Object:
    """One object of a listing: its key, its size in bytes, and the ETag that changes with its content."""

    key: str
    size: int
    etag: str


def make_client() -> Any:
    """Return a boto3 S3 client from the usual AWS variables.

    Throttling and server errors are retried with backoff; refusals (credentials, missing bucket) are not.
    """
    # boto3 costs a third of a second to import and a local lake never needs it.
    import boto3
    import botocore.session
    from botocore.config import Config

    config = Config(
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=5,
        read_timeout=60,
    )
    # A session of its own: making clients from the process's default one is not safe in threads.
    session = botocore.session.get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=read_time)
    return boto3.session.Session(botocore_session=session).client("s3", config=config)


def read_time(value: Any) -> datetime:
    """Read a time of an answer as botocore does, whose own way takes most of the time of a long listing."""
    from botocore.utils import parse_timestamp

    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        # In a header, or as a number.
        return cast(datetime, parse_timestamp(value))


class S3Store:
    """Objects below one prefix of a bucket; conditional writes are If-None-Match and If-Match puts."""

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def describe(self, key: str = "") -> str:
        """Return the `s3://` URI of a key."""
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def upload(self, key: str, source: Path) -> None:
        """Upload a local file, in parts when it is large."""
        with self._explained(key), source.open("rb") as handle:
            self._client.upload_fileobj(handle, self._bucket, self._prefix + key)

    def download(self, key: str, target: Path) -> None:
        """Download an object to a local file, in parts when it is large."""
        with self._explained(key), target.open("wb") as handle:
            self._client.download_fileobj(self._bucket, self._prefix + key, handle)

    def read(self, key: str) -> tuple[bytes, str]:
        """Return the bytes of an object and its ETag."""
        with self._explained(key):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            return answer["Body"].read(), answer["ETag"]

    def create(self, key: str, data: bytes) -> bool:
        """Store `data` unless the key is taken."""
        return self.replace(key, data, None)

    def replace(self, key: str, data: bytes, expected: str | None) -> bool:
        """Store `data` if the object still has the ETag `expected` (None: is still absent)."""
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": expected}
        with self._explained(key):
            for attempt in range(CONFLICT_ATTEMPTS):
                # Nothing at first, then a tenth of a second and ever longer.
                time.sleep(0.1 * (2**attempt - 1))
                try:
                    self._client.put_object(
                        Bucket=self._bucket, Key=self._prefix + key, Body=data, **condition
                    )
                    return True
                except ClientError as error:
                    code = _code(error)
                    if code in {"412", "PreconditionFailed"} or (expected and code in MISSING):
                        return False
                    if code not in {"409", "ConditionalRequestConflict"}:
                        raise
        raise LakeUnavailableError(
            f"{self.describe(key)} is being written by too many others at once; try again"
        )

    def list(self, prefix: str) -> list[str]:
        """Return every key below `prefix`, sorted."""
        return sorted(item.key for page, _ in self.pages(prefix) for item in page)

    def pages(self, prefix: str, after: str = "") -> Iterator[tuple[Sequence[S3Object], bool]]:
        """Yield the listing below `prefix`, a thousand objects a request, in the order of S3: of the keys' bytes.

        With each request's objects comes whether more follow, so that nobody has to ask in order to know.

        Args:
            prefix: what the keys begin with.
            after: a key; only what comes after it is listed.
        """
        start = {"StartAfter": self._prefix + after} if after else {}
        with self._explained(prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix, **start
            ):
                objects = [
                    S3Object(item["Key"].removeprefix(self._prefix), item["Size"], item["ETag"].strip('"'))
                    for item in page.get("Contents", [])
                ]
                yield objects, page["IsTruncated"]

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects, a thousand a request."""
        for start in range(0, len(keys), MOST_DELETED):
            part = keys[start : start + MOST_DELETED]
            with self._explained(part[0]):
                answer = self._client.delete_objects(
                    Bucket=self._bucket,
                    Delete={"Objects": [{"Key": self._prefix + key} for key in part], "Quiet": True},
                )
            for error in answer.get("Errors", []):
                raise LakeError(
                    f"S3 did not delete {self.describe(error['Key'].removeprefix(self._prefix))} "
                    f"({error.get('Code')}: {error.get('Message')}); check the permissions on the bucket"
                )

    def local_folder(self, prefix: str) -> Path | None:
        """Return None: the objects are not local."""
        return None

    @contextlib.contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            yield
        except ClientError as error:
            raise self._sentence(key, error) from error
        except NoCredentialsError as error:
            raise LakeError(
                f"no AWS credentials were found for {self.describe()}: set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run under a role"
            ) from error
        except BotoCoreError as error:
            raise LakeUnavailableError(
                f"the S3 service of {self.describe()} did not answer ({error}): check the network, "
                "AWS_ENDPOINT_URL and AWS_DEFAULT_REGION"
            ) from error

    def _sentence(self, key: str, error: Any) -> LakeError:
        code = _code(error)
        if code == "NoSuchBucket":
            return LakeError(f"the bucket {self._bucket!r} does not exist: create it or correct PRODCLF_LAKE")
        if code in MISSING:
            return MissingObjectError(f"{self.describe(key)} does not exist")
        if code in REFUSED:
            return LakeError(
                f"S3 refused access to {self.describe(key)} ({code}): check AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY and the permissions on the bucket"
            )
        message = error.response.get("Error", {}).get("Message", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        kind = LakeUnavailableError if status >= 500 or status == 429 or code in BUSY else LakeError
        return kind(f"S3 failed on {self.describe(key)} ({code}: {message}); try again later")


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
