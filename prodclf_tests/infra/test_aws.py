"""The deploy tool, every verb of it, against a cloud API server over HTTP."""

import os
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner, Result

from infra.aws import stacks
from infra.aws.__main__ import main
from infra.aws.cloud import Cloud
from infra.aws.history import Deployment, previous
from prodclf_tests.infra.faulty import FaultyProxy
from prodclf_tests.serving.live import free_port

REGION = "eu-central-1"
Run = Callable[..., Result]
# In the place of Docker, which is not on every machine: what it would push is registered as pushed.
DOCKER = """
    #!{python} -SE
    import json, os, sys, urllib.request
    if sys.argv[1] == "login":
        assert sys.stdin.read()
    if sys.argv[1] == "push":
        repository, tag = sys.argv[2].rsplit("/", 1)[1].split(":")
        manifest = {{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "of": repository + tag}}
        asked = {{"repositoryName": repository, "imageTag": tag, "imageManifest": json.dumps(manifest)}}
        headers = {{
            "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.PutImage",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": "AWS4-HMAC-SHA256 Credential=key/20310101/%s/ecr/aws4_request" % os.environ["AWS_REGION"],
        }}
        body = json.dumps(asked).encode()
        urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], body, headers)).read()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "prodclf_tests.infra.cloud_server", "127.0.0.1", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/moto-api/", timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    yield url
    process.kill()
    process.wait()


@pytest.fixture
def proxy(server: str) -> Iterator[FaultyProxy]:
    """An empty account behind a proxy."""
    urllib.request.urlopen(urllib.request.Request(f"{server}/moto-api/reset", method="POST")).close()
    proxy = FaultyProxy(server)
    yield proxy
    proxy.stop()


@pytest.fixture
def run(proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a verb as the command line does."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(textwrap.dedent(DOCKER).strip().format(python=sys.executable))
    docker.chmod(0o755)
    for name, value in {
        "PATH": f"{docker.parent}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": proxy.url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        # One failure is one failure: what the tool does of itself is looked at, not what botocore tries again.
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)

    def run(*words: str, fails: bool = False) -> Result:
        result = CliRunner().invoke(main, [*words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        assert (result.exit_code != 0) == fails, result.output
        return result

    return run


def standing(run: Run, *tags: str) -> None:
    run("setup")
    for tag in tags:
        run("push", "--tag", tag)
        run("deploy", "--tag", tag)


STEPS = (
    (("setup",), "created", "unchanged"),
    (("push", "--tag", "a"), "pushed graph, serving", "both images are there"),
    (("deploy", "--tag", "a"), "created", "unchanged"),
    (("push", "--tag", "b"), "pushed graph, serving", "both images are there"),
    (("deploy", "--tag", "b", "--serving", "2"), "updated", "unchanged"),
    (("status",), "2 running", "2 running"),
    (("rollback",), "back to a: updated", "nothing was deployed before"),
    (("destroy", "--yes", "--delete-data"), "prodclf: deleted", "prodclf: absent"),
)


READING = ("Describe", "Get", "List", "GET", "HEAD")


def test_every_verb_twice_in_a_row(run: Run, proxy: FaultyProxy) -> None:
    for words, *outcomes in STEPS:
        for again, expected in enumerate(outcomes):
            proxy.asked.clear()
            # A second rollback has nothing to go back to, and says so.
            result = run(*words, fails=expected.startswith("nothing"))
            assert expected in result.output, result.output
            changes = [call for call in proxy.asked if not call.startswith(READING)]
            assert not (again and changes)
            print(
                f"| `{' '.join(words)}` | {expected} | {len(proxy.asked)} | {', '.join(changes) or 'none'} |"
            )


def test_dry_run_changes_nothing(run: Run, proxy: FaultyProxy) -> None:
    standing(run, "z", "a")
    before = inventory()
    for words in (step[0] for step in STEPS if step[0][0] != "status"):
        proxy.asked.clear()
        # There is no image `b` to deploy.
        result = run(*words, "--dry-run", fails="b" in words and words[0] == "deploy")
        assert "b" in words or "0 of them changes" in result.output
        assert inventory() == before
        assert all(call.startswith(READING) for call in proxy.asked), words


def inventory() -> tuple[object, ...]:
    found = boto3.client("cloudformation").describe_stacks()["Stacks"]
    images = boto3.client("ecr").describe_images(repositoryName="prodclf-graph")["imageDetails"]
    return sorted((each["StackName"], str(each.get("LastUpdatedTime"))) for each in found), len(images)


VERBS = {
    "setup": (),
    "deploy --tag b --serving 2": ("a",),
    "rollback": ("a", "b"),
    "destroy --yes --delete-data": ("a",),
}


@pytest.mark.parametrize(
    "verb", [verb if verb == "setup" else pytest.param(verb, marks=pytest.mark.slow) for verb in VERBS]
)
def test_verb_cut_off_at_any_call_is_finished_by_running_it_again(
    verb: str, run: Run, proxy: FaultyProxy, server: str
) -> None:
    """The connection drops at call 0, 1, 2 … and stays down; then the network is back and the verb is run again."""
    words, tags = verb.split(), VERBS[verb]

    def prepare() -> None:
        proxy.fault = lambda number, name: None
        urllib.request.urlopen(urllib.request.Request(f"{server}/moto-api/reset", method="POST")).close()
        if tags:
            standing(run, *tags)
        if "b" in words:
            run("push", "--tag", "b")
        proxy.asked.clear()

    prepare()
    run(*words)
    total, goal = len(proxy.asked), state()
    # The calls in the middle, all of those that change something and some that look.
    for limit in range(1, total, max(1, total // 8)):
        prepare()
        proxy.fault = lambda number, name, limit=limit: "cut" if number >= limit else None
        result = run(*words, fails=True)
        assert result.output.strip().splitlines()[-1].startswith("Error: AWS c"), result.output
        proxy.fault = lambda number, name: None
        again = run(*words)
        assert state() == goal, (limit, again.output)


def state() -> object:
    """What the account holds, as far as a deployment decides it."""
    found = {}
    for each in boto3.client("cloudformation").describe_stacks()["Stacks"]:
        values = {item["ParameterKey"]: item["ParameterValue"] for item in each.get("Parameters", ())}
        found[each["StackName"]] = {
            key: values.get(key) for key in ("GraphImage", "ServingImage", "ServingTasks")
        }
        found[each["StackName"]]["status"] = each["StackStatus"].replace("UPDATE", "CREATE")
    buckets = boto3.client("s3").list_buckets()["Buckets"]
    return found, len(buckets)


@pytest.mark.parametrize(
    ("action", "answer", "says"),
    [
        (
            "CreateStack",
            (403, "AccessDenied", "User: x is not authorized"),
            "CreateStack is not allowed to these",
        ),
        ("DescribeStacks", (403, "ExpiredToken", "old"), "credentials have expired"),
        ("DescribeStacks", (403, "InvalidClientTokenId", "who"), "AWS does not know these credentials"),
        ("CreateStack", (400, "LimitExceededException", "200 stacks"), "a quota of the account is used up"),
        (
            "CreateStack",
            (400, "ValidationError", "Stack prodclf is in UPDATE_IN_PROGRESS state"),
            "the stack is busy",
        ),
        ("CreateStack", (400, "OperationInProgressException", "x"), "the stack is busy"),
        ("CreateStack", (400, "Strange", "it rains"), "CreateStack failed: it rains"),
        ("GetCallerIdentity", "cut", "AWS cannot be asked"),
    ],
)
def test_refusal_is_one_sentence(
    action: str, answer: str | tuple[int, str, str], says: str, run: Run, proxy: FaultyProxy
) -> None:
    proxy.fault = lambda number, name: answer if name == action else None
    result = run("setup", fails=True)
    last = result.output.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert says in last
    assert "Traceback" not in result.output


def test_what_is_missing_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"no prodclf-foundation in {REGION}: run `setup`" in run("deploy", "--tag", "a", fails=True).output
    run("setup")
    assert (
        "no image graph and no image serving with tag a: run `push --tag a`"
        in run("deploy", "--tag", "a", fails=True).output
    )
    assert "nothing was deployed before" in run("rollback", fails=True).output
    assert (
        "no prodclf-foundation in us-west-2"
        in run("deploy", "--tag", "a", "--region", "us-west-2", fails=True).output
    )
    monkeypatch.setenv("PATH", "/nowhere")
    assert "`docker` is not installed" in run("push", "--tag", "a", fails=True).output


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "no AWS credentials"),
        ({"AWS_SECRET_ACCESS_KEY": None}, "credentials are not whole"),
        ({"AWS_REGION": None, "AWS_DEFAULT_REGION": None}, "no region"),
        ({"AWS_PROFILE": "nobody"}, "credentials are not whole"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "AWS does not answer in"),
    ],
)
def test_incomplete_environment_is_told(
    variables: dict[str, str | None], says: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    assert says in run("setup", fails=True).output


def test_destroy_asks_and_keeps_the_data_unless_told(run: Run) -> None:
    standing(run, "a")
    assert CliRunner().invoke(main, ["destroy"], input="n\n").exit_code == 1
    result = run("destroy", "--yes")
    assert "kept: s3://" in result.output
    assert len(boto3.client("s3").list_buckets()["Buckets"]) == 1


def test_stack_whose_creation_failed_is_made_anew(run: Run, server: str) -> None:
    template = '{"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}'
    boto3.client("cloudformation").create_stack(StackName="prodclf-foundation", TemplateBody=template)
    found = stacks.find(Cloud(REGION), "prodclf-foundation")
    assert found is not None
    born_dead = stacks._BORN_DEAD
    try:
        # Moto never leaves a stack in such a state: one that is there is taken for it, once.
        stacks._BORN_DEAD = ("CREATE_COMPLETE",)
        assert "a creation that failed; it is removed first" in run("setup").output
    finally:
        stacks._BORN_DEAD = born_dead
    assert "Bucket" in stacks.find(Cloud(REGION), "prodclf-foundation").outputs


def entry(verb: str, tag: str) -> Deployment:
    return Deployment(verb, tag, "2031-01-01T00:00:00+00:00", "me")


@pytest.mark.parametrize(
    ("verbs", "expected"),
    [
        ("", None),
        ("a", None),
        ("a b", "a"),
        ("a a b b", "a"),
        ("a b <a", None),
        ("a b c <b", "a"),
        ("a b <a c", "a"),
        ("a <z", "a"),
    ],
)
def test_previous_is_what_stood_before(verbs: str, expected: str | None) -> None:
    entries = [entry("rollback" if each[0] == "<" else "deploy", each.lstrip("<")) for each in verbs.split()]
    assert previous(entries) == expected


def test_dry_session_refuses_to_change(run: Run) -> None:
    cloud = Cloud(REGION, dry_run=True)
    with pytest.raises(AssertionError, match="CreateBucket in a dry run"):
        cloud.client("s3").create_bucket(Bucket="b")
