"""What every view gives: a gallery that shows and saves itself, and the figures in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from neocog import files
from neocog.api.see.opened import Opened
from neocog.draw.gallery import Gallery, Room, gallery_page
from neocog.draw.table import printable

PAGE = "index.html"
MARK = "seen.json"
"""the figures, and which files were made: what tells a folder of ours from the user's"""
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Seen:
    """A view. In a notebook it shows itself; `figures` are what `--json` prints."""

    gallery: Gallery
    figures: Mapping[str, Any]

    def save(self, folder: str | Path) -> Path:
        """Write the page, its figures, and each picture and plot as a file of its own; the page's path.

        The folder is a new one, an empty one, or one with an earlier page, whose files are removed.
        """
        target = files.make_result_folder(Path(folder).expanduser(), MARK)
        plates = {plate.file: plate for plate in self.gallery.plates()}
        _remove_earlier(target)
        made = {"files": [PAGE, *plates], "figures": self.to_json()}
        files.write_text(target / MARK, json.dumps(made, indent=2, allow_nan=False) + "\n")
        for name, plate in plates.items():
            files.write_bytes(target / name, plate.content())
        files.write_text(target / PAGE, gallery_page(self.gallery))
        return target / PAGE

    def to_json(self) -> dict[str, Any]:
        return dict(self.figures)

    def __str__(self) -> str:
        """The facts, one a line."""
        lines = [f"{name:<24} {value}" for name, value in self.gallery.facts]
        return "\n".join(map(printable, [*self.gallery.warnings, *lines]))

    def __repr__(self) -> str:
        """As it is printed: the arrays would fill the screen."""
        return str(self)

    def _repr_html_(self) -> str:
        return self.gallery._repr_html_()


def _remove_earlier(folder: Path) -> None:
    """Take away what an earlier page left in a folder of ours."""
    try:
        names = json.loads((folder / MARK).read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return
    for name in names:
        if Path(name).name == name:
            (folder / name).unlink(missing_ok=True)


def gallery(
    over: str,
    network: Opened,
    rooms: tuple[Room, ...],
    *,
    facts: Facts = (),
    notes: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
) -> Gallery:
    """A page about `network`, dated, with what one must know about its weights."""
    own = ("x".join(map(str, network.size)), network.source)
    return Gallery(
        over=over,
        title=network.title,
        facts=(("input", own[0]), ("weights", own[1]), *facts),
        rooms=rooms,
        notes=notes,
        warnings=(*network.warnings, *warnings),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        version=version("neocog"),
    )
