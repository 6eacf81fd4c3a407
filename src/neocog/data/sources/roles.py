"""Which column of a table plays which role, and what the cells of the plain roles mean."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from neocog.data.dataset import PARTS
from neocog.data.reading import ROLES
from neocog.data.sources.rows import Cell, Rows
from neocog.data.sources.tree import PART_FOLDERS
from neocog.errors import UserError, unknown

USUAL = {
    "path": "path file filename file_name filepath file_path image image_path image_file image_name image_id img "
    "img_path picture",
    "label": "label labels class class_name label_name category target species",
    "group": "group group_id patient patient_id subject subject_id",
    "part": "part split set subset partition",
    "fold": "fold",
    "box": "box bbox",
    "annotator": "annotator annotator_id rater rater_id worker worker_id observer labeller labeler",
}
"""the names by which a column is known to play a role, the likeliest first; case, spaces and hyphens do not matter"""
SHORT_TEXT = 64  # letters; longer text would waste memory in columns of equal width
Roles = Mapping[str, tuple[str, ...]]


def find_roles(rows: Rows, given: Mapping[str, str]) -> Roles:
    """Role -> its columns: those that were given, else the one with a usual name."""
    roles = {role: _given(rows, role, text) for role, text in given.items()}
    taken = {name for names in roles.values() for name in names}
    plain = {_plain(name): name for name in rows.columns if name not in taken}
    for role in ROLES:
        usual = next((plain[name] for name in USUAL[role].split() if name in plain), None)
        if role not in roles and usual is not None:
            roles[role] = (usual,)
    if "path" not in roles:
        raise UserError(
            f"{rows.place}: a column must hold the pictures' paths, got the columns {', '.join(rows.columns)}; "
            "say which by --columns path=COLUMN"
        )
    if "label" not in roles and "annotator" not in roles:
        taken = {name for names in roles.values() for name in names}
        indicators = tuple(name for name in rows.columns if name not in taken)
        if len(indicators) > 1 and all(is_flag(cell) for name in indicators for cell in rows.columns[name]):
            roles["label"] = indicators
    return roles


def names_pictures(rows: Rows, given: Mapping[str, str]) -> bool:
    """Whether a column holds paths, by its usual name or as given."""
    return "path" in given or any(_plain(name) in USUAL["path"].split() for name in rows.columns)


def is_flag(cell: Cell) -> bool:
    return str(cell).lower() in ("0", "1", "0.0", "1.0", "true", "false")


def is_set(cell: Cell) -> bool:
    return str(cell).lower() in ("1", "1.0", "true")


def is_empty(cell: Cell) -> bool:
    """No value: pandas writes NaN."""
    return cell is None or cell == "" or (isinstance(cell, float) and cell != cell)


def part_of(rows: Rows, row: int, cell: Cell) -> str:
    """train, val or test, under any of the names that folders may have; `""` for an empty cell."""
    if is_empty(cell):
        return ""
    if str(cell) == "skipped":  # as manifests of a split say of what could not be read
        return ""
    part = PART_FOLDERS.get(str(cell).strip().lower())
    if part is None:
        raise rows.error(row, f"part must be one of {', '.join(PARTS)}, got {str(cell)[:80]!r}")
    return part


def boxes(rows: Rows, names: Sequence[str], chosen: Sequence[int]) -> NDArray[np.float64]:
    """(n, 4): left, top, width, height, from four columns or from one with four numbers; NaN where empty."""
    found = np.full((len(chosen), 4), np.nan)
    for i, row in enumerate(chosen):
        cells = [rows.columns[name][row] for name in names]
        if all(map(is_empty, cells)):
            continue
        numbers = _numbers(cells[0]) if len(cells) == 1 else cells
        try:
            box = [float(number) for number in numbers]
        except (TypeError, ValueError):
            box = []
        if len(box) != 4 or not np.isfinite(box).all():  # numpy would stretch a single number to four
            raise rows.error(row, f"a box must be four numbers (x y width height), got {cells!r:.80}")
        found[i] = box
    return found


def as_array(cells: Sequence[Cell]) -> NDArray[np.generic]:
    """Integers, numbers (NaN where empty) or text: the narrowest that holds every cell."""
    texts = ["" if is_empty(cell) else _text(cell) for cell in cells]
    if all(re.fullmatch(r"-?(0|[1-9]\d{0,17})", text, re.ASCII) for text in texts):
        return np.array([int(text) for text in texts], dtype=np.int64)
    if all(re.fullmatch(r"|[-+]?\d{1,18}(\.\d*)?([eE][-+]?\d{1,3})?|nan", text, re.ASCII) for text in texts):
        return np.array([float(text or "nan") for text in texts])
    if max(map(len, texts), default=0) > SHORT_TEXT:
        return np.array(texts, dtype=np.dtypes.StringDType())
    return np.array(texts)


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False, default=str)


def _numbers(cell: Cell) -> Sequence[Cell]:
    if isinstance(cell, list | tuple):
        return cell
    return re.split(r"[\s,;]+", str(cell).strip("[]() "))


def _given(rows: Rows, role: str, text: str) -> tuple[str, ...]:
    """One column by its whole name, or several joined by +."""
    names = (text,) if text in rows.columns else tuple(text.split("+"))
    for name in names:
        if name not in rows.columns:
            raise unknown(f"column for {role} in {rows.place}:", name, rows.columns)
    return names
