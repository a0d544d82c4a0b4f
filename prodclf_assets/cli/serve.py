"""`prodclf serve`: answer over HTTP."""

import click

from prodclf_assets.cli.terminal import verbose_option


@click.command()
@click.option("--host", help="Address to listen on; 0.0.0.0 to answer other machines.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(1, 65535), help="TCP port.  [default: 8000]")
@verbose_option
def serve(host: str | None, port: int | None, verbose: bool) -> None:
    """Answer for the champion over HTTP until interrupted.

    The model follows the alias in the registry without a restart. The page at / is for people, /docs for programs.
    Defaults come from PRODCLF_SERVE_HOST and PRODCLF_SERVE_PORT.

    \b
    Examples:
      prodclf serve
      prodclf serve --host 0.0.0.0 --port 9000
    """
    from prodclf_serving.ray_serve.launcher import main

    main(host=host, port=port, verbose=verbose)
