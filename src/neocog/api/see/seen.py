"""What every view gives: a gallery that shows and saves itself, and the figures in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from neocog import files
from neocog.api.see.about import About, Skipped
from neocog.api.see.opened import Opened
from neocog.draw.gallery import Gallery, Room, gallery_page
from neocog.draw.table import printable
from neocog.errors import UserError

PAGE = "index.html"
MARK = "seen.json"
"""the figures, and which files were made: what tells a folder of ours from the user's"""
KINDS = frozenset({".html", ".json", ".png", ".svg", ".safetensors"})
"""endings of what pages are made of"""
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Seen:
    """A view. In a notebook it shows itself."""

    about: About
    gallery: Gallery
    figures: Mapping[str, Any]
    """of this view alone"""
    beside: ClassVar[tuple[str, ...]] = ()
    """files that it writes besides the page and its plates"""

    @property
    def skipped(self) -> Skipped:
        """(name, reason) of each picture that cannot be read."""
        return self.about.skipped

    def save(self, folder: str | Path) -> Path:
        """Write the page, its figures, and each picture and plot as a file of its own; the page's path.

        The folder is one that `demand_place` lets pass; the files of an earlier page in it are removed.
        """
        target = files.make_folder(demand_place(folder))
        plates = {plate.file: plate for plate in self.gallery.plates()}
        for name in _earlier(target):
            (target / name).unlink(missing_ok=True)
        made = {"files": [PAGE, *plates, *self.beside], "figures": self.to_json()}
        files.write_text(target / MARK, json.dumps(made, indent=2, allow_nan=False) + "\n")
        for name, plate in plates.items():
            files.write_bytes(target / name, plate.content())
        files.write_text(target / PAGE, gallery_page(self.gallery))
        return target / PAGE

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints: what the view is of, as every view has it, and its own figures."""
        return {**self.about.to_json(), **self.figures}

    def __str__(self) -> str:
        """The facts, one a line."""
        lines = [f"{name:<24} {value}" for name, value in self.gallery.facts]
        return "\n".join(map(printable, [*self.gallery.warnings, *lines]))

    def __repr__(self) -> str:
        """As it is printed: the arrays would fill the screen."""
        return str(self)

    def _repr_html_(self) -> str:
        return self.gallery._repr_html_()


def demand_place(folder: str | Path) -> Path:
    """`folder`, where a page may be written: a new one, an empty one, or one with an earlier page.

    UserError where it is none of these, where the earlier page's folder has got files of the user's that a page might
    be written over, and where nothing can be written. Nothing is made.
    """
    target = Path(folder).expanduser()
    files.demand_result_folder(target, MARK)
    if (target / MARK).is_file():
        earlier = _earlier(target)
        ours = {MARK, *earlier} if earlier else set()
        others = sorted(p.name for p in target.iterdir() if p.suffix in KINDS and p.name not in ours)
        if others:
            raise UserError(
                f"results need a folder of their own, {target} holds {others[0]}, which is of no earlier page; "
                "name another with -o"
            )
    return target


def _earlier(folder: Path) -> tuple[str, ...]:
    """The files that an earlier page left in a folder of ours; none where its list is not ours."""
    try:
        names = json.loads((folder / MARK).read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    if not isinstance(names, list):
        return ()
    return tuple(name for name in names if isinstance(name, str) and Path(name).name == name)


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
