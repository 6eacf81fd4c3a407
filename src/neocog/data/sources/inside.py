"""What lies in a folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from neocog.data.sources.tree import PART_FOLDERS, natural
from neocog.errors import UserError


def entries(folder: Path) -> list[Path]:
    """What lies directly in the folder, hidden things left out, sorted by name; nothing where it is no folder."""
    try:
        names = sorted(os.listdir(folder)) if folder.is_dir() else []  # noqa: PTH208  # a Path costs ten names
    except OSError as error:
        raise UserError(f"cannot look into the folder {folder}: {error.strerror}") from error
    return [folder / name for name in names if not name.startswith((".", "__MACOSX"))]


def files_with(folder: Path, suffix: str) -> list[Path]:
    """Files with this suffix in the folder, and in folders called train, val, test or data in it, in natural order."""
    inside = entries(folder)
    deeper = [place for place in inside if place.name.lower() in (*PART_FOLDERS, "data")]
    found = [path for place in (folder, *deeper) for path in entries(place) if path.suffix.lower() == suffix]
    return sorted((path for path in found if path.is_file()), key=lambda path: natural(str(path)))


def part_in(path: Path) -> str:
    """train, val or test, by a word in a relative path: `data/imagenet-train-000.tar`; nothing where there is none."""
    words = re.findall("[a-z]+", path.with_suffix("").as_posix().lower())
    return next((PART_FOLDERS[word] for word in words if word in PART_FOLDERS), "")
