"""What every view gives: a gallery that shows and saves itself, and the figures in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from neocog import files
from neocog.api.see.opened import Opened
from neocog.draw.gallery import Gallery, Room, gallery_page

PAGE = "index.html"
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """A view. In a notebook it shows itself; `figures` are what `--json` prints."""

    gallery: Gallery
    figures: Mapping[str, Any]

    def save(self, folder: str | Path) -> Path:
        """Write the page and each picture and plot as a file of its own; the page's path."""
        target = files.make_folder(Path(folder))
        for plate in self.gallery.plates():
            files.write_bytes(target / plate.file, plate.content())
        files.write_text(target / PAGE, gallery_page(self.gallery))
        return target / PAGE

    def to_json(self) -> dict[str, Any]:
        return dict(self.figures)

    def __str__(self) -> str:
        """The facts, one a line."""
        lines = [f"{name:<24} {value}" for name, value in self.gallery.facts]
        return "\n".join([*self.gallery.warnings, *lines])

    def _repr_html_(self) -> str:
        return self.gallery._repr_html_()


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
