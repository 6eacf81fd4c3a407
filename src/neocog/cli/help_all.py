"""`--help` shows the flags that most people need, `--help-all` every one: those made with `hidden=True`, too."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption


class Verb(TyperCommand):
    """A verb with `--help-all` before `--help`."""

    common: tuple[str, ...] = ()
    """arguments that --help shows, though they are hidden where the option is defined for several verbs"""
    rare: tuple[str, ...] = ()
    """arguments that only --help-all shows, though they are not hidden there"""
    panels: Mapping[str, tuple[str, ...]] = {}
    """headings of `--help-all`, and the names of the options under each; without any they are one list"""

    def __init__(self, *arguments: Any, **settings: Any):
        super().__init__(*arguments, **settings)
        self._help_all: Any = None
        for option in self.params:
            if isinstance(option, TyperOption):
                option.hidden = option.name in self.rare or (option.hidden and option.name not in self.common)

    def get_params(self, ctx: Any) -> list[Any]:
        *own, asks_help = super().get_params(ctx)
        if (
            self._help_all is None
        ):  # made from --help, since each version of typer builds options in its own way
            more = len(_hidden(self))
            self._help_all = copy(asks_help)
            self._help_all.name, self._help_all.opts = "help_all", ["--help-all"]
            self._help_all.callback = _show_all
            self._help_all.help = (
                f"Show {more} more flags and exit." if more else "The same: these are all flags."
            )
        return [*own, self._help_all, asks_help]


def verb(common: str = "", rare: str = "") -> type[Verb]:
    """A verb with these of its arguments, separated by spaces, in `--help`, and those in `--help-all` alone."""
    return type("Verb", (Verb,), {"common": tuple(common.split()), "rare": tuple(rare.split())})


def with_help_all(app: typer.Typer) -> typer.Typer:
    """`app` with `--help-all` in each of its verbs, those of its groups included."""
    for verb in app.registered_commands:
        # one that reads its arguments in its own way is a Verb already
        if verb.cls is None or not issubclass(verb.cls, Verb):
            verb.cls = Verb
    for group in app.registered_groups:
        if group.typer_instance:
            with_help_all(group.typer_instance)
    return app


def _hidden(verb: TyperCommand) -> list[TyperOption]:
    return [option for option in verb.params if isinstance(option, TyperOption) and option.hidden]


def _group(verb: Verb, context: Any) -> None:
    """Options under their headings, in the order of these."""
    places = {name: heading for heading, names in verb.panels.items() for name in names}
    order = list(places)
    for option in verb.get_params(context):
        option.rich_help_panel = places.get(option.name)
    verb.params.sort(key=lambda option: order.index(option.name) if option.name in order else -1)


def _show_all(context: Any, option: object, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        for other in _hidden(context.command):
            other.hidden = False
        _group(context.command, context)
        typer.echo(context.get_help(), color=context.color)
        context.exit()
