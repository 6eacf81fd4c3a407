"""What neocog raises when the input is wrong: one readable line that names the rule, what was given, the way out."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


class UserError(ValueError):
    """The user's input is wrong. The command line prints it as one line and exits with code 2."""


class ToldElsewhere(UserError):
    """Another process of the same run tells what is wrong; the command line ends without a line."""


class Unreadable(UserError):
    """A picture that cannot be decoded; the message is the reason, without the path."""


LISTED = 12  # names that are shown where none looks like the one given


def unknown(
    what: str, given: str, known: Iterable[str], elsewhere: Mapping[str, tuple[str, ...]] | None = None
) -> UserError:
    """An error for a name that does not exist, with the nearest names that do, or the first of all.

    `elsewhere` has names that others use, with ours.
    """
    names = list(known)
    if near := (elsewhere or {}).get(given.lower()) or nearest(given, names):
        return UserError(f"unknown {what} {given!r}; did you mean {', '.join(near)}?")
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return UserError(f"unknown {what} {given!r}; there are {', '.join(names[:LISTED])}{more}")


def nearest(given: str, known: Iterable[str]) -> list[str]:
    """Up to three names that look like the one given, the most alike first; none where nothing does."""
    return get_close_matches(given, list(known), n=3, cutoff=0.5)
