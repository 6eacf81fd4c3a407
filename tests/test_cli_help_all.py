"""`--help` stays short, `--help-all` leaves nothing out, for every verb there is."""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from typer.models import OptionInfo
from typer.testing import CliRunner

from door import neocog
from neocog.cli.help_all import with_help_all
from neocog.cli.main import app
from neocog.cli.train_panels import PANELS

FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z0-9-]*")
MOST = 20


def verbs(
    of: typer.Typer, above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Callable[..., Any]]]:
    for verb in of.registered_commands:
        assert verb.callback
        yield (*above, str(verb.name)), verb.callback
    for group in of.registered_groups:
        assert group.typer_instance
        yield from verbs(group.typer_instance, (*above, str(group.name)))


VERBS = dict(verbs(app))


def listed(help_text: str) -> set[str]:
    """The flags that the lines of a help page begin with; a star stands before one that is needed."""
    lines = [line.strip("│* ") for line in help_text.splitlines()]
    return {flag for line in lines if line.startswith("-") for flag in FLAG.findall(line.split("  ")[0])}


def declared(function: Callable[..., Any]) -> list[set[str]]:
    """The names of each option in the function's own signature."""
    found = []
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        parts = get_args(parameter.annotation)[1:]
        info = next((part for part in parts if isinstance(part, OptionInfo)), None)
        if info:
            given = (info.default, *(info.param_decls or ()))  # the first stands where a default would
            pairs = [flag.split("/") for flag in given if isinstance(flag, str) and flag.startswith("-")]
            named = {flag for pair in pairs for flag in pair}
            found.append(named or {f"--{name.replace('_', '-')}"})
    return found


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_a_short_and_a_whole_help(verb: tuple[str, ...]) -> None:
    run = CliRunner(env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})
    short, whole = (run.invoke(with_help_all(app), [*verb, flag]) for flag in ("--help", "--help-all"))
    assert short.exit_code == whole.exit_code == 0
    options = declared(VERBS[verb])
    assert all(names & listed(whole.output) for names in options)
    shown = [names for names in options if names & listed(short.output)]
    assert len(shown) + 2 <= MOST
    more = re.search(r"Show (\d+) more flags", short.output)
    assert int(more[1] if more else 0) == len(options) - len(shown)


def test_every_flag_of_train_is_under_one_heading() -> None:
    """And none of the headings' flags has gone."""
    under = [name for names in PANELS.values() for name in names]
    options = {
        name
        for name, parameter in inspect.signature(VERBS["train",], eval_str=True).parameters.items()
        if isinstance(next(iter(get_args(parameter.annotation)[1:]), None), OptionInfo)
    }
    assert len(under) == len(set(under))
    assert set(under) == options | {"help", "help_all"}


def test_the_whole_help_of_train_shows_the_headings_and_the_short_one_does_not() -> None:
    run = CliRunner(env={"COLUMNS": "120", "TERM": "dumb", "NO_COLOR": "1"})
    short, whole = (
        run.invoke(with_help_all(app), ["train", flag]).output for flag in ("--help", "--help-all")
    )
    title = re.compile(r"^╭─ (.*?) ─*╮$", re.MULTILINE)
    assert title.findall(whole) == ["Arguments", *PANELS]
    assert title.findall(short) == ["Arguments", "Options"]
    below = dict(zip(title.findall(whole), title.split(whole)[2::2], strict=True))
    flags = {"Data": "--fold", "Optimizer": "--opt-betas", "Checkpoints": "--resume", "Output": "--help-all"}
    assert all(flag in listed(below[heading]) for heading, flag in flags.items())


def test_a_hidden_flag_is_shown_on_demand_and_works_unseen(tmp_path: Path) -> None:
    assert "--fold" not in neocog("train", "--help", cwd=tmp_path).stdout
    assert "--fold" in neocog("train", "--help-all", cwd=tmp_path).stdout
    done = neocog("train", "builtin/digits", "--fold", "1", cwd=tmp_path, ok=False)
    assert done.returncode == 2
    assert "name its manifest with --split" in done.stderr
