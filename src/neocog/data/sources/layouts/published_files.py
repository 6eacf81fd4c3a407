"""The text and MATLAB files that data sets are published with; what is wrong in them is told with file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neocog.errors import UserError


def rows(path: Path, width: int, comment: str = "#") -> list[list[str]]:
    """The words of each line that is neither empty nor a comment; the last of `width` words is the rest of its line."""
    found = []
    for number, line in enumerate(text(path).splitlines(), 1):
        if not line.strip() or line.startswith(comment):
            continue
        words = line.split(maxsplit=width - 1)
        if len(words) != width:
            raise UserError(f"{path}, line {number}: must have {width} words, got {line.strip()!r}")
        found.append([word.strip() for word in words])
    return found


def text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path}: {reason}; unpack the data set anew") from error


def number(path: Path, line: int, word: str) -> float:
    """`word` as a finite number; `line` counts from 1."""
    try:
        value = float(word)
        if value - value == 0:
            return value
    except ValueError:
        pass
    raise UserError(f"{path}, row {line}: must be a number, got {word!r}")


def position(path: Path, line: int, word: str, count: int) -> int:
    """`word`, a number from 1 to `count`, as a place from 0."""
    if word.isdecimal() and 1 <= int(word) <= count:
        return int(word) - 1
    raise UserError(f"{path}, row {line}: must be a number from 1 to {count:,}, got {word!r}")


def matlab(path: Path, *names: str) -> list[Any]:
    """Variables of a MATLAB file up to version 7.2."""
    from scipy.io import loadmat

    try:
        found = loadmat(path, variable_names=names, squeeze_me=True)
        return [found[name] for name in names]
    except KeyError as error:
        raise UserError(f"{path} must hold the variables {', '.join(names)}, it lacks {error}") from error
    except Exception as error:  # scipy raises anything on a damaged file
        raise UserError(f"{path} is damaged or no MATLAB file: {error}; unpack the data set anew") from error
