"""One session with AWS: its clients, the calls it made, and its errors as one sentence each."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import click
from botocore import exceptions
from botocore.config import Config

READING = ("Describe", "List", "Get", "Head")
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
_INVALID = ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "AuthFailure")
_QUOTA = ("LimitExceeded", "LimitExceededException", "ServiceQuotaExceededException", "InstanceQuotaExceeded")
_BUSY = ("OperationInProgressException", "TokenAlreadyExists")


class CloudError(click.ClickException):
    """Something that the caller can mend: what happened, and how."""


class Cloud:
    """A session in one region.

    Args:
        region: AWS region; as the environment says when None.
        dry_run: refuse every call that changes something.
    """

    def __init__(self, region: str | None = None, *, dry_run: bool = False) -> None:
        self._session = boto3.Session(region_name=region)
        self.dry_run = dry_run
        self.calls: list[str] = []
        self._clients: dict[str, Any] = {}

    @property
    def region(self) -> str:
        """The region that is spoken to.

        Raises:
            CloudError: none is named anywhere.
        """
        if self._session.region_name is None:
            raise CloudError("no region: name one with --region or AWS_REGION, such as eu-central-1")
        return str(self._session.region_name)

    def client(self, service: str) -> Any:
        """A client whose calls are noted down, and tried again when AWS is busy."""
        if service in self._clients:
            return self._clients[service]
        settings = Config(retries={"mode": "standard"}, connect_timeout=10)
        client = self._session.client(service, region_name=self.region, config=settings)
        client.meta.events.register(f"before-call.{service}", self._note)
        self._clients[service] = client
        return client

    @property
    def changes(self) -> list[str]:
        """The calls that changed something, or tried to."""
        return [call for call in self.calls if not call.partition(":")[2].startswith(READING)]

    def _note(self, model: Any, **more: Any) -> None:
        if self.dry_run and not model.name.startswith(READING):
            raise AssertionError(f"{model.name} in a dry run")
        self.calls.append(f"{model.service_model.service_name}:{model.name}")

    def account(self) -> str:
        """Number of the account that the credentials belong to."""
        return str(self.client("sts").get_caller_identity()["Account"])


@contextmanager
def explained(region: str | None = None) -> Iterator[None]:
    """Turn what botocore raises into one CloudError with the remedy.

    Args:
        region: the region that was asked for, to be named.
    """
    where = region or "the region of the environment"
    try:
        yield
    except exceptions.NoCredentialsError as error:
        raise CloudError(
            "no AWS credentials: run `aws sso login` or `aws configure`, or set AWS_PROFILE"
        ) from error
    except (exceptions.PartialCredentialsError, exceptions.ProfileNotFound) as error:
        raise CloudError(f"the AWS credentials are not whole: {error}") from error
    except (exceptions.NoRegionError, exceptions.InvalidRegionError) as error:
        raise CloudError(f"no such region: {error}; name one with --region, such as eu-central-1") from error
    except (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError) as error:
        raise CloudError(
            f"AWS does not answer in {where}: is the region right, and the network up? ({error})"
        ) from error
    except exceptions.WaiterError as error:
        raise CloudError(f"gave up waiting: {error}; `status` tells how it goes on") from error
    except exceptions.ClientError as error:
        raise CloudError(_sentence(error)) from error
    except exceptions.BotoCoreError as error:
        raise CloudError(f"AWS cannot be asked: {error}") from error


def _sentence(error: exceptions.ClientError) -> str:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    what = error.operation_name
    if code in _DENIED:
        return f"{what} is not allowed to these credentials ({message}): the role needs the rights in infra/aws/README.md"
    if code in _EXPIRED:
        return "the AWS credentials have expired: run `aws sso login` again"
    if code in _INVALID:
        return f"AWS does not know these credentials ({message}): check AWS_PROFILE and AWS_ACCESS_KEY_ID"
    if code in _QUOTA:
        return f"{what}: a quota of the account is used up ({message}): ask for more under Service Quotas, then run this again"
    if code in _BUSY or "_IN_PROGRESS state" in message:
        return f"the stack is busy ({message}): wait until `status` shows it done, then run this again"
    return f"{what} failed: {message or code}"
