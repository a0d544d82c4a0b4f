"""The deploy tool, every verb of it, against a cloud API server over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner

from infra.aws import stacks
from infra.aws.__main__ import main
from infra.aws.cloud import Cloud
from infra.aws.history import Deployment, append, previous, read
from prodclf_tests.infra.account import FOREIGN, REGION, Account, cloud_server
from prodclf_tests.infra.verbs import REFUSALS, VERBS, refused, see


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with cloud_server() as url:
        yield url


@pytest.fixture
def account(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Account]:
    """An empty account, and the environment that leads to it."""
    found = Account(server)
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)
    for name, value in found.variables(tmp_path).items():
        monkeypatch.setenv(name, value)
    yield found
    found.proxy.stop()


@pytest.mark.parametrize("verb", VERBS, ids=[verb[0] for verb in VERBS])
def test_verb_does_what_is_left_to_do(verb: tuple[str, str, str, str], account: Account) -> None:
    """Dry it changes nothing, again it finds nothing to do; `deploy`, cut off in its middle, is finished by running it again."""
    seen = see(account, *verb, cuts=int(verb[1] == "+a"))
    assert seen.dry
    assert bool(seen.changes) == (verb[0] != "status")


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS, ids=[verb[0] for verb in VERBS])
def test_verb_may_be_cut_off_at_any_call(verb: tuple[str, str, str, str], account: Account) -> None:
    seen = see(account, *verb)
    assert seen.cut == (seen.calls if seen.changes else 0)


@pytest.mark.parametrize(("title", "action", "answer", "says"), REFUSALS, ids=[each[0] for each in REFUSALS])
def test_refusal_is_one_sentence(
    title: str, action: str, answer: tuple[int, str, str] | str, says: str, account: Account
) -> None:
    assert says in refused(account, action, answer, says)


def test_what_is_missing_is_named(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        f"no prodclf-foundation in {REGION}: run `setup`"
        in account.run("deploy", "--tag", "a", fails=True).output
    )
    account.run("setup")
    assert (
        "no image graph and no image serving with tag a: run `push --tag a`"
        in account.run("deploy", "--tag", "a", fails=True).output
    )
    assert "nothing was deployed before" in account.run("rollback", fails=True).output
    assert (
        "no prodclf-foundation in us-west-2"
        in account.run("deploy", "--tag", "a", "--region", "us-west-2", fails=True).output
    )
    monkeypatch.setenv("PATH", "/nowhere")
    assert "`docker` is not installed" in account.run("push", "--tag", "a", fails=True).output


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
    variables: dict[str, str | None], says: str, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    assert says in account.run("setup", fails=True).output


def test_destroy_asks_and_keeps_the_data_unless_told(account: Account) -> None:
    account.standing("a")
    assert CliRunner().invoke(main, ["destroy"], input="n\n").exit_code == 1
    result = account.run("destroy", "--yes")
    assert "kept: s3://" in result.output
    assert len(boto3.client("s3").list_buckets()["Buckets"]) == 1


def test_stack_whose_creation_failed_is_made_anew(account: Account) -> None:
    template = '{"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}'
    boto3.client("cloudformation").create_stack(StackName="prodclf-foundation", TemplateBody=template)
    found = stacks.find(Cloud(REGION), "prodclf-foundation")
    assert found is not None
    born_dead = stacks._BORN_DEAD
    try:
        # Moto never leaves a stack in such a state: one that is there is taken for it, once.
        stacks._BORN_DEAD = ("CREATE_COMPLETE",)
        assert "a creation that failed; it is removed first" in account.run("setup").output
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


def test_history_is_read_to_its_end(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.aws.history.PAGE", 2)
    boto3.client("s3").create_bucket(
        Bucket="history", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    for tag in "abc":
        append(Cloud(REGION), "history", "deploy", tag)
    assert [each.tag for each in read(Cloud(REGION), "history")] == ["a", "b", "c"]


def test_dry_session_refuses_to_change(account: Account) -> None:
    cloud = Cloud(REGION, dry_run=True)
    with pytest.raises(AssertionError, match="CreateBucket in a dry run"):
        cloud.client("s3").create_bucket(Bucket="b")
