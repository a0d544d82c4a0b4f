"""`python -m infra.aws`: set up, push, deploy, look, go back, and take down prodclf on AWS."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from infra.aws import history, images, stacks
from infra.aws.cloud import Cloud, CloudError, explained
from infra.aws.system import bring_to, delete_bucket, foundation_name, foundation_outputs, unprotect_database

FOLDER = Path(__file__).parent


class Verb(click.Command):
    """A verb with the options that all have, whose AWS errors are one sentence."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params += [
            click.Option(
                ["--project"], default="prodclf", show_default=True, help="Beginning of every name."
            ),
            click.Option(["--region"], help="AWS region.  [default: of the environment]"),
            click.Option(["--dry-run"], is_flag=True, help="Say what would be done and change nothing."),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb and tell how many calls it took."""
        with explained(ctx.params["region"]):
            cloud = Cloud(ctx.params.pop("region"), dry_run=ctx.params.pop("dry_run"))
            ctx.obj = cloud
            result = super().invoke(ctx)
            click.echo(f"{len(cloud.calls)} calls to AWS, {len(cloud.changes)} of them changes", err=True)
            return result


@click.group()
def main() -> None:
    """Run prodclf on AWS: ECS Fargate, RDS, S3; see infra/aws/README.md.

    \b
      python -m infra.aws setup                 bucket and image registries
      python -m infra.aws push                  build the images and push them
      python -m infra.aws deploy                the system, with the images of this commit
      python -m infra.aws deploy --serving 2    and two copies of serving, once a model is promoted
      python -m infra.aws status
      python -m infra.aws rollback              the images before the present ones
      python -m infra.aws destroy

    Each may be run again at any time: it does what is left to do.
    """


@main.command(cls=Verb)
@click.pass_obj
def setup(cloud: Cloud, project: str) -> None:
    """Create the bucket and the image registries."""
    tags = {"project": project}
    change = stacks.apply(
        cloud, foundation_name(project), FOLDER / "foundation.yaml", {"Project": project}, tags, click.echo
    )
    click.echo(f"{foundation_name(project)} in {cloud.region} (account {cloud.account()}): {change}")


@main.command(cls=Verb)
@click.option("--tag", help="Tag of the images.  [default: the commit]")
@click.pass_obj
def push(cloud: Cloud, project: str, tag: str | None) -> None:
    """Build both images with Docker and push them."""
    outputs = foundation_outputs(cloud, project)
    chosen = tag or images.tag_of_commit()
    repositories = {image: outputs[f"{image.capitalize()}RepositoryUri"] for image in images.IMAGES}
    pushed = images.push(cloud, project, repositories, chosen, click.echo)
    verb = "to push" if cloud.dry_run else "pushed"
    click.echo(f"{chosen}: {verb} {', '.join(pushed)}" if pushed else f"{chosen}: both images are there")


def system_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that become parameters of the system stack."""
    for name, parameter, text in (
        ("--serving", "ServingTasks", "Copies of serving at least; 0 until a model is promoted."),
        ("--vpc", "VpcId", "VPC.  [default: the account's default VPC]"),
        ("--subnets", "Subnets", "Subnets, joined by commas.  [default: those of the VPC]"),
        ("--allow-from", "AllowedCidr", "Who may ask the balancer.  [default: addresses of the VPC]"),
        ("--scheme", "LoadBalancerScheme", "internal or internet-facing."),
        ("--certificate", "CertificateArn", "Certificate for HTTPS."),
        ("--source", "Source", "Product files.  [default: incoming/ of the bucket]"),
        ("--alarm-email", "AlarmEmail", "Who is told of alarms."),
    ):
        command = click.option(name, parameter.lower(), metavar=parameter, help=text)(command)
    return command


@main.command(cls=Verb)
@click.option("--tag", help="Tag of the images.  [default: the commit]")
@system_options
@click.pass_obj
def deploy(cloud: Cloud, /, project: str, tag: str | None, **options: str | None) -> None:
    """Bring the system to the images of a tag; options that are not given stay as they are."""
    chosen = tag or images.tag_of_commit()
    change = bring_to(cloud, project, chosen, "deploy", options)
    click.echo(f"{project} with {chosen}: {change}")
    _show_url(cloud, project)


@main.command(cls=Verb)
@click.option("--to", "tag", help="Tag to go back to.  [default: the one before the present one]")
@click.pass_obj
def rollback(cloud: Cloud, project: str, tag: str | None) -> None:
    """Bring the system back to the images before the present ones."""
    bucket = foundation_outputs(cloud, project)["Bucket"]
    target = tag or history.previous(history.read(cloud, bucket))
    if target is None:
        raise CloudError("nothing was deployed before: name a tag with --to, see `status`")
    change = bring_to(cloud, project, target, "rollback", {})
    click.echo(f"{project} back to {target}: {change}")


@main.command(cls=Verb)
@click.pass_obj
def status(cloud: Cloud, project: str) -> None:
    """Show stacks, services, images, alarms and deployments."""
    for name in (foundation_name(project), project):
        stack = stacks.find(cloud, name)
        click.echo(f"stack    {name:<20} {'absent' if stack is None else stack.status}")
    system = stacks.find(cloud, project)
    if system is not None and "Cluster" in system.outputs:
        names = ["code", "mlflow", "webserver", "daemon", "serving"]
        found = cloud.client("ecs").describe_services(cluster=system.outputs["Cluster"], services=names)
        for service in found["services"]:
            state = next((each.get("rolloutState", "") for each in service.get("deployments", ())), "")
            counts = f"{service['runningCount']} of {service['desiredCount']} running"
            click.echo(f"service  {service['serviceName']:<20} {counts} {state}".rstrip())
        alarms = cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{project}-", StateValue="ALARM")
        for alarm in alarms["MetricAlarms"]:
            click.echo(f"alarm    {alarm['AlarmName']:<20} {alarm.get('AlarmDescription', '')}")
        click.echo(f"image    {system.outputs['ServingImage'].rpartition(':')[2]}")
        _show_url(cloud, project)
    foundation = stacks.find(cloud, foundation_name(project))
    for each in [] if foundation is None else history.read(cloud, foundation.outputs["Bucket"])[-5:]:
        click.echo(f"{each.verb:<8} {each.tag:<20} {each.time} by {each.by}")


@main.command(cls=Verb)
@click.option("--delete-data", is_flag=True, help="Also the bucket with catalogue, models and logs.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def destroy(cloud: Cloud, project: str, delete_data: bool, yes: bool) -> None:
    """Take everything down; a last snapshot of the database is kept, and the bucket unless told otherwise."""
    if not (yes or cloud.dry_run):
        what = "with all its data" if delete_data else "its data is kept"
        click.confirm(f"Take down {project} in {cloud.region}, {what}?", abort=True)
    foundation = stacks.find(cloud, foundation_name(project))
    bucket = None if foundation is None else foundation.outputs.get("Bucket")
    if not cloud.dry_run:
        unprotect_database(cloud, project)
    click.echo(f"{project}: {stacks.delete(cloud, project, click.echo)}")
    if not cloud.dry_run:
        images.delete_all(cloud, project)
    # The bucket is known only as long as its stack is there, so it goes before.
    if bucket and delete_data:
        delete_bucket(cloud, bucket)
    click.echo(f"{foundation_name(project)}: {stacks.delete(cloud, foundation_name(project), click.echo)}")
    if bucket and not delete_data:
        click.echo(f"kept: s3://{bucket}")
    elif bucket:
        click.echo(f"s3://{bucket}: {'would be deleted' if cloud.dry_run else 'deleted'}")


def _show_url(cloud: Cloud, project: str) -> None:
    stack = stacks.find(cloud, project)
    if stack is not None and "Url" in stack.outputs:
        click.echo(f"url      {stack.outputs['Url']}")


if __name__ == "__main__":
    main()
