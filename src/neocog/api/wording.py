"""How a summary's figures are written: cells of its table, sizes of memory, JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from neocog.errors import UserError

if TYPE_CHECKING:
    from neocog.analysis.table import Row

HEADERS = {
    "output_size": "output size",
    "receptive_field": "receptive field",
    "effective_stride": "eff. stride",
    "effective_padding": "eff. padding",
    "memory": "memory KiB",
    "params": "parameters",
}
UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


DURATION = re.compile(r"(?:([\d.]+)h)?(?:([\d.]+)m(?:in)?)?(?:([\d.]+)s?)?")


def memory_bytes(given: int | str) -> int:
    """Bytes from a number or from text: 8GB is 8,000,000,000, 8GiB is 8 x 2^30."""
    text = str(given).strip()
    number = text.rstrip("KMGTIBkmgtib ")
    unit = text[len(number) :].strip().upper() or "B"
    try:
        return int(float(number) * {"B": 1, **UNITS}[unit])
    except (ValueError, KeyError, OverflowError) as error:
        raise UserError(f"memory is a number with a unit such as 8GB or 24GiB, got {given!r}") from error


def seconds(given: float | str | None) -> float | None:
    """Seconds from a number or from text: 90, 90s, 10m, 1.5h, 1h30m."""
    if given is None:
        return None
    found = DURATION.fullmatch(str(given).strip().lower())
    numbers = [float(part or 0) for part in found.groups()] if found else []
    total = sum(n * size for n, size in zip(numbers, (3600, 60, 1), strict=True)) if numbers else 0.0
    if not total:
        raise UserError(f"a time is a number above 0 with a unit, such as 90s, 10m or 1h30m, got {given!r}")
    return total


def cell(row: Row, column: str) -> object:
    """A row's entry in one of the columns."""
    if column == "memory":
        kib = row.memory_bytes / 1024
        return kib if kib < 1000 else round(kib)
    if column == "receptive_field" and row.cause:
        return "global"
    value = getattr(row, column)
    return _sides(value) if value is None or isinstance(value, tuple) else value


def _sides(value: tuple[int, ...] | None) -> str:
    """Sizes as text; where all axes are the same, once."""
    if value is None:
        return "-"
    rest = value[-2:]
    return str(rest[0]) if len(value) == 2 and rest[0] == rest[1] else "x".join(map(str, value))


def row_json(row: Row) -> dict[str, Any]:
    """A row as `summary --json` prints it."""
    field = "global" if row.cause else row.receptive_field and list(row.receptive_field)
    return {
        "layer": row.layer,
        "module": row.module,
        "kind": row.kind,
        "output_size": list(row.output_size),
        "receptive_field": field,
        "effective_stride": row.effective_stride and list(row.effective_stride),
        "effective_padding": row.effective_padding and list(row.effective_padding),
        "memory_bytes": row.memory_bytes,
        "params": row.params,
        "macs": row.macs,
    }


def convention_name(convention: str) -> str:
    """What a convention counts, in words."""
    return {
        "mac": "multiply-adds",
        "flop": "FLOPs (2 a multiply-add)",
        "paper": "FLOPs as papers print them",
    }.get(convention, "flops as fvcore counts them")
