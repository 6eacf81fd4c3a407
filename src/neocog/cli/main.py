"""The command `neocog`: its verbs, and what becomes of errors. Loads nothing heavy before a verb asks."""

from __future__ import annotations

import sys
import warnings
from io import TextIOWrapper

import typer

from neocog.cli import (
    adapt,
    bench,
    calibrate,
    compare,
    data_check,
    data_show,
    data_split,
    data_stats,
    doctor,
    embed,
    evaluate,
    models,
    predict,
    probe,
    reproduce,
    retrieve,
    robustness,
    see,
    summary,
    train,
    verify,
)
from neocog.cli.console import Console, Told
from neocog.cli.help_all import verb, with_help_all
from neocog.cli.train_panels import Train
from neocog.errors import ToldElsewhere, UserError

INTERRUPTED = 130

app = typer.Typer(
    name="neocog",
    help="Train, explain and serve image classifiers, from the Neocognitron to the Vision Transformer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train", cls=Train)(train.train)
app.command("eval")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("robustness")(robustness.robustness)
app.command("calibrate")(calibrate.calibrate)
app.command("adapt", cls=verb(rare="weights split strict"))(adapt.adapt)
app.command("predict")(predict.predict)
embedding = verb(common="pooling views img_size resize_mode no_cache", rare="columns")
app.command("embed", cls=embedding)(embed.embed)
app.command("probe", cls=verb(rare="model quarantine"))(probe.probe)
app.command("retrieve", cls=verb(rare="columns"))(retrieve.retrieve)
app.command("models")(models.models)
app.command("summary", cls=summary.Summary)(summary.summary)
app.command("verify")(verify.verify)
app.command("reproduce")(reproduce.reproduce)
app.command("bench")(bench.bench)
app.command("doctor")(doctor.doctor)
app.add_typer(see.app, name="see")
data = typer.Typer(no_args_is_help=True, help="Look at pictures before they are learned from.")
app.add_typer(data, name="data")
data.command("check")(data_check.data_check)
data.command("show")(data_show.show)
data.command("split")(data_split.split)
data.command("stats")(data_stats.stats)


@app.callback(invoke_without_command=True)
def version(show: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    """Train, explain and serve image classifiers, from the Neocognitron to the Vision Transformer."""
    if show:
        from importlib.metadata import version as installed

        sys.stdout.write(f"neocog {installed('neocog')}\n")
        raise typer.Exit


def run() -> None:
    """Run the command. Exit codes: 0 done, 1 a check failed, 2 the input is wrong, 130 interrupted."""
    warnings.filterwarnings("ignore", module="PIL")  # what is wrong with a picture is said with its name
    for stream in (
        sys.stdin,
        sys.stdout,
        sys.stderr,
    ):  # labels and paths are Unicode, whatever the console's code page
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        with_help_all(app)()
    except ToldElsewhere:
        sys.exit(2)
    except UserError as error:
        Console().say(f"neocog: {' '.join(str(error).split())}")
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED and not isinstance(end, Told):  # typer makes an exit of Ctrl-C
            Console().say("neocog: interrupted; what was finished is kept")
        raise
