"""Keywords of a verb that it does not have."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from neocog.errors import nearest


def demand_known(verb: str, options: Iterable[str], known: Collection[str]) -> None:
    """TypeError, as Python raises it, with the nearest of the `known` keywords for one that `verb` does not have.

    `known` may be the annotations of the verb's TypedDict: Python itself checks none of them.
    """
    for name in options:
        if name not in known:
            near = [one for one in known if one.startswith(name)] or nearest(name, known)
            way = f"did you mean {', '.join(near[:3])}?" if near else f"`neocog {verb} --help-all` lists all"
            raise TypeError(f"{verb}() has no argument {name!r}; {way}")
