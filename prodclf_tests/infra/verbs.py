"""`python -m prodclf_tests.infra.verbs [--write FILE]`: what each verb of the deploy tool does, tried on a cloud API server, as a table.

Each verb is tried dry, run, run again, and cut off: the connection drops at every one of its calls in turn and stays down, then the
network is back and the verb is run again, which must leave the account as an uninterrupted run does. A second table shows what the
tool says when AWS refuses.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import click

from prodclf_tests.infra.account import FOREIGN, Account, cloud_server, state

# Words, tags that stand before, what it says at first, what it says again.
VERBS: tuple[tuple[str, str, str, str], ...] = (
    ("setup", "", "created", "unchanged"),
    ("push --tag b", "a", "pushed graph, serving", "both images are there"),
    ("deploy --tag a", "+a", "created", "unchanged"),
    ("deploy --tag b --serving 2", "a +b", "updated", "unchanged"),
    ("status", "a", "1 running", "1 running"),
    ("rollback", "a b", "back to a: updated", "nothing was deployed before"),
    ("destroy --yes --delete-data", "a", "prodclf: deleted", "prodclf: absent"),
)
REFUSALS: tuple[tuple[str, str, tuple[int, str, str] | str, str], ...] = (
    ("the role may not", "CreateStack", (403, "AccessDenied", "User: x is not authorized"), "is not allowed"),
    ("an old session", "DescribeStacks", (403, "ExpiredToken", "old"), "credentials have expired"),
    ("unknown keys", "DescribeStacks", (403, "InvalidClientTokenId", "who"), "does not know these"),
    ("a quota", "CreateStack", (400, "LimitExceededException", "200 stacks"), "a quota of the account"),
    (
        "a stack that is busy",
        "CreateStack",
        (400, "ValidationError", "Stack prodclf is in UPDATE_IN_PROGRESS state"),
        "the stack is busy",
    ),
    ("another operation", "CreateStack", (400, "OperationInProgressException", "x"), "the stack is busy"),
    ("anything else", "CreateStack", (400, "Strange", "it rains"), "CreateStack failed: it rains"),
    ("the line drops", "GetCallerIdentity", "cut", "AWS cannot be asked"),
)


@dataclass(frozen=True)
class Seen:
    """One verb: what it said, its calls and changes; dry, at first, again; and at how many calls it was cut off."""

    verb: str
    dry: int
    first: str
    calls: int
    changes: tuple[str, ...]
    again: str
    calls_again: int
    cut: int

    def row(self) -> str:
        """A line of the table."""
        changes = ", ".join(_counted(self.changes)) or "none"
        return (
            f"| `{self.verb}` | {self.first} | {self.calls} | {changes} | {self.again} | {self.calls_again} | {self.dry} | "
            f"{f'{self.cut} of {self.calls}' if self.cut else ''} |"
        )


@contextmanager
def account() -> Iterator[Account]:
    """An account, and the environment that leads to it."""
    with cloud_server() as server, tempfile.TemporaryDirectory() as folder:
        found = Account(server)
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        try:
            with mock.patch.dict(os.environ, {**kept, **found.variables(Path(folder))}, clear=True):
                yield found
        finally:
            found.proxy.stop()


def prepare(where: Account, before: str) -> None:
    """Bring the account to where a verb begins: the tags that are deployed, `+` before one that is only pushed."""
    where.empty()
    if before:
        where.standing(*(tag for tag in before.split() if tag[0] != "+"))
    for tag in before.split():
        if tag[0] == "+":
            where.run("push", "--tag", tag[1:])


def see(where: Account, verb: str, before: str, first: str, again: str, cuts: int | None = None) -> Seen:
    """Try a verb in every way.

    Args:
        where: the account.
        verb: its words.
        before: see `prepare`.
        first: what it says at first.
        again: what it says when run again.
        cuts: at how many of its calls it is cut off; at all of them when None.

    Raises:
        AssertionError: it says or does something else.
    """
    words = verb.split()
    prepare(where, before)
    untouched = state()
    where.run(*words, *([] if verb == "status" else ["--dry-run"]))
    dry = len(where.proxy.asked)
    assert not where.changes, where.changes
    assert state() == untouched
    said = where.run(*words).output
    assert first in said, said
    calls, changes, goal = len(where.proxy.asked), tuple(where.changes), state()
    # A second rollback has nothing to go back to, and says so.
    said = where.run(*words, fails=again.startswith("nothing")).output
    assert again in said, said
    assert not where.changes, where.changes
    calls_again = len(where.proxy.asked)
    assert state() == goal
    chosen = _spread(calls, cuts) if changes else ()
    for limit in chosen:
        _cut_off(where, words, before, limit)
        assert state() == goal, f"{verb}, cut off at call {limit}"
    return Seen(verb, dry, first, calls, changes, again, calls_again, len(chosen))


def _spread(calls: int, cuts: int | None) -> Sequence[int]:
    if cuts is None:
        return range(calls)
    # Each in the middle of a part, where something was done and something is left to do.
    return [calls * (2 * part + 1) // (2 * cuts) for part in range(cuts)]


def _cut_off(where: Account, words: Sequence[str], before: str, limit: int) -> None:
    """Drop the connection from one call on, then run the verb again on a network that is back."""
    prepare(where, before)
    where.proxy.fault = lambda number, name: "cut" if number >= limit else None
    said = where.run(*words, fails=True).output
    # AWS's answer is missed by the tool itself, or by Docker.
    assert said.strip().splitlines()[-1].startswith(("Error: AWS c", "Error: `docker ")), said
    where.proxy.fault = lambda number, name: None
    where.run(*words)


def refused(where: Account, action: str, answer: tuple[int, str, str] | str, says: str) -> str:
    """The sentence with which `setup` ends when one of its calls is refused.

    Raises:
        AssertionError: it does not end with one.
    """
    where.empty()
    where.proxy.fault = lambda number, name: answer if name == action else None
    said = where.run("setup", fails=True).output
    where.proxy.fault = lambda number, name: None
    last = said.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert says in last, said
    assert "Traceback" not in said
    # The server's port is another one each time.
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1", last.removeprefix("Error: "))


def _counted(names: Sequence[str]) -> list[str]:
    """Names with how often they come, in the order in which they first come; S3's without bucket and key."""
    short = [
        name.partition(" /")[0].replace("PUT", "PutObject").replace("POST", "DeleteObjects") for name in names
    ]
    short = ["DeleteBucket" if name == "DELETE" else name for name in short]
    return [
        f"{name} x{short.count(name)}" if short.count(name) > 1 else name for name in dict.fromkeys(short)
    ]


def tables(tell: Callable[[str], None]) -> str:
    """Both tables."""
    lines = [
        "| verb | says | calls | that change something | run again | calls | dry: calls | cut off, then run again: as if never cut |",
        "|---|---|---|---|---|---|---|---|",
    ]
    with account() as where:
        for verb, before, first, again in VERBS:
            lines.append(see(where, verb, before, first, again).row())
            tell(lines[-1])
        lines += ["", "| AWS says | the tool says, and ends with 1 |", "|---|---|"]
        for title, action, answer, says in REFUSALS:
            lines.append(f"| {title} | {refused(where, action, answer, says)} |")
            tell(lines[-1])
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--write", type=click.Path(path_type=Path), help="Markdown file to write the tables to.")
def main(write: Path | None) -> None:
    """Try every verb of the deploy tool and print the tables."""
    text = tables(lambda line: click.echo(line, err=True))
    if write is None:
        click.echo(text)
    else:
        head = "# What the deploy tool does\n\nMade by `uv run python -m prodclf_tests.infra.verbs --write infra/aws/VERBS.md`.\n\n"
        write.write_text(head + text, encoding="utf-8")


if __name__ == "__main__":
    main()
