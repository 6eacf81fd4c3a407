"""What `retrieve` leaves behind in a folder: the page, the figures, and lists that `train --quarantine` reads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator
from pathlib import Path

from neocog import files
from neocog.api.retrieval.found import Retrieval
from neocog.data.quarantine import write_list

PAGE, FIGURES, NEIGHBOURS = "retrieve.html", "retrieve.json", "neighbours.csv"
OUTLIERS, MISLABELS = "outliers.csv", "mislabels.csv"
COLUMNS = b"query,rank,path,label,distance,same_class\n"
OURS = {NEIGHBOURS: COLUMNS, OUTLIERS: b"# Pictures of ", MISLABELS: b"# Pictures of "}
"""how the files begin that not every call writes"""
USE = "`neocog train DATA --quarantine FILE` leaves them out. Look at each, and take away the lines of those to keep."


def write_retrieval(folder: Path, found: Retrieval) -> tuple[Path, ...]:
    """Write retrieve.html and retrieve.json; neighbours.csv, outliers.csv and mislabels.csv where there are any.

    Files of these names are written over, and those of an earlier call that this one does not make are removed. The
    last two are quarantine lists.
    """
    files.make_result_folder(folder, FIGURES)
    contents = {
        PAGE: found.to_html(),
        FIGURES: json.dumps(found.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    }
    name = found.index.dataset.name
    if found.outliers is not None:
        about = f"Pictures of {name} that lie far from the others, or from those of their class; {USE}"
        contents[OUTLIERS] = write_list(found.outliers.entries(), about)
    if found.mislabels is not None:
        about = f"Pictures of {name} whose label is doubtful, the most doubtful first; {USE}"
        contents[MISLABELS] = write_list(found.mislabels.entries(), about)
    for file, text in contents.items():
        files.write_text(folder / file, text)
    made = list(contents)
    if found.neighbours is not None:
        made.append(NEIGHBOURS)
        with files.whole_file(folder / NEIGHBOURS) as table:
            for line in neighbour_lines(found):
                table.write(line)
    _remove_others(folder, made)
    return tuple(folder / file for file in made)


def _remove_others(folder: Path, made: Collection[str]) -> None:
    """Remove what an earlier call wrote and this one did not: it would seem to be of this one.

    A file of the user's own under such a name does not begin as ours do, and stays.
    """
    for name, beginning in OURS.items():
        path = folder / name
        if name not in made and path.is_file():
            with path.open("rb") as file:
                own = file.read(len(beginning)) == beginning
            if own:
                path.unlink()


def neighbour_lines(found: Retrieval) -> Iterator[bytes]:
    """CSV, query by query: `same_class` is empty where nobody knows."""
    yield COLUMNS
    for query in range(len(found)):
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        path = found.query_path(query)
        for rank, (row, distance, same) in enumerate(found.near(query), 1):
            known = "" if same is None else int(same)
            rows.writerow(
                (path, rank, found.index.path(row), found.index.label(row), f"{distance:.8g}", known)
            )
        yield text.getvalue().encode("utf-8", "surrogateescape")
