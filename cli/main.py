"""`allora-node`: the operator's command. Every group of commands has a file of its own in this folder."""

from __future__ import annotations

import typer

from cli import (
    backtest,
    check,
    config,
    export,
    fetch,
    grade,
    init,
    models,
    predict,
    scores,
    status,
    sweep,
    topics,
    train,
    truth,
    wallet,
)  # fmt: skip
from node.errors import ConfigError, NodeError
from node.logs import configure_logs
from node.start import exit_for
from node.terminal import write_plain_where_needed
from node.version import VERSION

app = typer.Typer(
    help="An Allora worker node: fresh candles, forecasts that earn their place, submissions in time.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(init.init)
app.command("check")(check.check)
app.command("status")(status.status)
app.command("fetch")(fetch.fetch)
app.command("train")(train.train)
app.command("predict")(predict.predict)
app.command("scores")(scores.scores)
app.command("grade")(grade.grade)
app.command("export")(export.export)
app.add_typer(config.app, name="config")
app.add_typer(models.app, name="models")
app.add_typer(wallet.app, name="wallet")
app.command("topics")(topics.topics)
app.command("truth")(truth.truth)
app.command("backtest")(backtest.backtest)
app.command("sweep")(sweep.sweep)

ELSEWHERE = (
    "In containers, each has what its own work needs: models, fetch, train, scores and grade are had in updater "
    "(docker compose exec updater allora-node …), wallet and topics in worker. The rest needs an installation: make install."
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(VERSION)
        raise typer.Exit


@app.callback()
def _root(
    debug: bool = typer.Option(False, "--debug", help="Show the whole traceback of an error."),
    version: bool = typer.Option(False, "--version", is_eager=True, callback=_show_version, help="Say which version this is."),
) -> None:
    global _debug  # noqa: PLW0603 -- typer hands options to callbacks, not to main()
    _debug = debug
    configure_logs("allora-node", "debug" if debug else "warning")


_debug = False


def main() -> None:
    """Run the command; an error of the node is one message with a hint, never a traceback unless --debug."""
    write_plain_where_needed()
    try:
        app()
    except NodeError as error:
        if _debug:
            raise
        exit_for(error)
    except ModuleNotFoundError as error:
        if _debug:
            raise
        exit_for(ConfigError(f"this command needs {error.name}, which is not installed here", hint=ELSEWHERE))


if __name__ == "__main__":
    main()
