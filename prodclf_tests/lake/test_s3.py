"""What only S3 can get wrong: each trouble in one sentence, retried only where a retry can help."""

import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.utils import parse_timestamp

from prodclf_assets.errors import LakeError, LakeUnavailableError
from prodclf_assets.lake import Lake, MissingObjectError, S3Store, open_lake
from prodclf_assets.lake.s3 import make_client, read_time
from prodclf_tests.http_server import served
from prodclf_tests.lake.places import folder_of
from prodclf_tests.s3_server import S3Server

ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code} it is</Message></Error>"


class ScriptedServer(ThreadingHTTPServer):
    """An S3 endpoint that answers each request with the next (status, error code) of a script, then with 200."""

    def __init__(self) -> None:
        self.script: list[tuple[int, str]] = []
        self.requests: list[str] = []
        super().__init__(("127.0.0.1", 0), ScriptedHandler)


class ScriptedHandler(BaseHTTPRequestHandler):
    server: ScriptedServer
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(self.command)
        status, code = self.server.script.pop(0) if self.server.script else (200, "")
        body = ERROR.format(code=code).encode() if code else b"content" * (self.command == "GET")
        self.send_response(status)
        self.send_header("ETag", '"tag"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = answer  # noqa: N815 (the names that http.server looks for)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def scripted(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with served(ScriptedServer()) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield server


@pytest.fixture
def store(scripted: ScriptedServer) -> S3Store:
    return S3Store(make_client(), "bucket", "prefix")


@pytest.mark.parametrize(
    "text",
    ["2025-08-01T06:05:04.000Z", "Fri, 01 Aug 2025 06:05:04 GMT", "1754028304", 1754028304.5, 1754028304],
)
def test_times_are_read_as_botocore_reads_them(text: str | float) -> None:
    assert read_time(text) == parse_timestamp(text)
    assert read_time(text).tzinfo is not None
    with pytest.raises(ValueError, match="Invalid timestamp"):
        read_time("yesterday")


def test_a_missing_bucket_is_named(s3_bucket: str, tmp_path: Path) -> None:
    lake = open_lake("s3://no-such-bucket/prefix")
    sentence = "the bucket 'no-such-bucket' does not exist: create it or correct PRODCLF_LAKE"
    with pytest.raises(LakeError, match=sentence):
        lake.write("raw", folder_of(tmp_path, {"a": b"1"}))
    with pytest.raises(LakeError, match=sentence):
        lake.latest("raw")
    with pytest.raises(LakeError, match=sentence):
        lake.versions("raw")
    with pytest.raises(LakeError, match=sentence):
        lake.append("log", {})


@pytest.mark.parametrize(
    "code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken"]
)
def test_refused_credentials_stop_at_the_first_answer(
    scripted: ScriptedServer, store: S3Store, code: str
) -> None:
    scripted.script = [(403, code)]
    with pytest.raises(
        LakeError, match=rf"S3 refused access to s3://bucket/prefix/a \({code}\): check AWS_ACCESS"
    ) as raised:
        store.read("a")
    assert not isinstance(raised.value, LakeUnavailableError), "trying again would not help"
    assert scripted.requests == ["GET"]


def test_no_credentials_are_named(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(LakeError, match="no AWS credentials were found for s3://any/: set AWS_ACCESS_KEY_ID"):
        open_lake("s3://any").latest("raw")


@pytest.mark.parametrize("trouble", [(503, "SlowDown"), (500, "InternalError"), (429, "TooManyRequests")])
def test_throttling_and_server_errors_are_retried(
    scripted: ScriptedServer, store: S3Store, trouble: tuple[int, str]
) -> None:
    scripted.script = [trouble]
    assert store.read("a") == (b"content", '"tag"')
    assert scripted.requests == ["GET", "GET"]


def test_trouble_that_stays_is_said(scripted: ScriptedServer) -> None:
    import boto3
    from botocore.config import Config

    client = boto3.client("s3", config=Config(retries={"total_max_attempts": 1}))
    scripted.script = [(500, "InternalError")]
    with pytest.raises(
        LakeUnavailableError, match=r"S3 failed on s3://bucket/a \(InternalError: InternalError it is\)"
    ):
        S3Store(client, "bucket").read("a")


def test_an_endpoint_that_does_not_answer_is_said(s3_bucket: str) -> None:
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3", endpoint_url="http://127.0.0.1:9", config=Config(retries={"total_max_attempts": 1})
    )
    with pytest.raises(
        LakeUnavailableError,
        match=r"S3 service of s3://any/ did not answer .*check the network, AWS_ENDPOINT",
    ):
        Lake(S3Store(client, "any")).latest("raw")


def test_overlapping_conditional_writes_are_tried_again(scripted: ScriptedServer, store: S3Store) -> None:
    scripted.script = [(409, "ConditionalRequestConflict"), (409, "ConditionalRequestConflict")]
    assert store.create("a", b"1")
    assert scripted.requests == ["PUT"] * 3


def test_overlapping_conditional_writes_without_end_are_said(
    scripted: ScriptedServer, store: S3Store
) -> None:
    scripted.script = [(409, "ConditionalRequestConflict")] * 20
    with pytest.raises(
        LakeUnavailableError, match="s3://bucket/prefix/a is being written by too many others at once"
    ):
        store.create("a", b"1")


def test_a_lost_condition_is_no_error(scripted: ScriptedServer, store: S3Store) -> None:
    scripted.script = [(412, "PreconditionFailed"), (404, "NoSuchKey")]
    assert not store.create("a", b"1")
    assert not store.replace("a", b"1", '"tag"')


def test_more_keys_than_one_page_are_listed(s3_server: S3Server, s3_bucket: str) -> None:
    store = S3Store(make_client(), s3_bucket)
    for number in range(5):
        store.create(f"a/{number}", b"")

    class Paged:
        def get_paginator(self, name: str) -> object:
            paginator = s3_server.client.get_paginator(name)
            whole = paginator.paginate
            paginator.paginate = lambda **given: whole(**given, PaginationConfig={"PageSize": 2})
            return paginator

    assert S3Store(Paged(), s3_bucket).list("a/") == [f"a/{number}" for number in range(5)]


def test_lakes_of_two_prefixes_do_not_see_each_other(s3_bucket: str, tmp_path: Path) -> None:
    one = open_lake(f"s3://{s3_bucket}/one/")
    written = one.write("raw", folder_of(tmp_path, {"a": b"1"}))
    assert open_lake(f"s3://{s3_bucket}/one").latest("raw") == written
    for other in (f"s3://{s3_bucket}", f"s3://{s3_bucket}/on", f"s3://{s3_bucket}/two"):
        assert open_lake(other).find_latest("raw") is None
    with pytest.raises(MissingObjectError):
        S3Store(make_client(), s3_bucket).read("raw/latest.json")


def test_a_local_lake_never_loads_boto3(tmp_path: Path) -> None:
    program = (
        "import sys; from prodclf_assets.lake import open_lake; open_lake(sys.argv[1]).append('log', {});"
        "sys.exit(any(name in sys.modules for name in ('boto3', 'botocore', 'pandas', 'mlflow')))"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)


def test_a_bucket_that_may_only_be_read_says_so(scripted: ScriptedServer, store: S3Store) -> None:
    scripted.script = [(403, "AccessDenied")]
    with pytest.raises(
        LakeError, match=r"S3 refused access to s3://bucket/prefix/a .*permissions on the bucket"
    ):
        store.create("a", b"1")
    assert scripted.requests == ["PUT"]


def test_what_s3_does_not_delete_is_named(s3_server: S3Server, s3_bucket: str) -> None:
    class Refusing:
        def delete_objects(self, **given: object) -> dict[str, object]:
            return {"Errors": [{"Key": "prefix/a", "Code": "AccessDenied", "Message": "no"}]}

    with pytest.raises(LakeError, match=rf"S3 did not delete s3://{s3_bucket}/prefix/a \(AccessDenied: no\)"):
        S3Store(Refusing(), s3_bucket, "prefix").delete(["a"])
    store = S3Store(make_client(), s3_bucket, "prefix")
    for number in range(3):
        store.create(f"{number}", b"")
    store.delete(["0", "2", "never-there"])
    assert store.list("") == ["1"]
