"""Mutated files through every reader of data: no crash, no hang, no memory above the bound. Writes a CSV of counts.

python scripts/fuzz_readers.py [files per reader] [seed]
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "fuzz-readers.csv"
SECONDS = 10  # for one file, after which it counts as a hang
MEMORY = 1 << 30  # bytes of address space that a reader may add to what the process had before
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c6360606000000004000102a8d8f20000000049454e44ae426082"
)
EXTREMES = [
    b"\0" * 4,
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff" * 8,
    b"77777777",
    b"\x80" + b"\0" * 11,
    b"../",
    b"x" * 5000,
    b"\\ud800",
    b'"',
    b"\n",
]
MEMBERS = [f"{kind}/{n}.png" for kind in ("cat", "dog") for n in range(4)]


def table(delimiter: str) -> bytes:
    rows = [("path", "label", "split", "box", "annotator")]
    rows += [(name, name[:3], "train", "1 2 3 4", f"a{i % 3}") for i, name in enumerate(MEMBERS)]
    return "\n".join(delimiter.join(row) for row in rows).encode()


def json_lines() -> bytes:
    rows = [
        {"path": name, "label": [name[:3]], "box": [1, 2, 3, 4], "n": i} for i, name in enumerate(MEMBERS)
    ]
    return "\n".join(map(json.dumps, rows)).encode()


def zipped(method: int) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name in MEMBERS:
            archive.writestr(name, PNG * 3)
    return data.getvalue()


def tarred(compression: str) -> bytes:
    data = io.BytesIO()
    layout = tarfile.GNU_FORMAT if compression == "gz" else tarfile.PAX_FORMAT
    with tarfile.open(fileobj=data, mode=f"w:{compression}", format=layout) as archive:  # type: ignore[call-overload]
        for name in [*MEMBERS, f"cat/{'long' * 40}.png"]:
            info = tarfile.TarInfo(name)
            info.size = len(PNG)
            info.mtime = 0.5 if layout == tarfile.PAX_FORMAT else 0
            archive.addfile(info, io.BytesIO(PNG))
    return data.getvalue()


def idx() -> bytes:
    return bytes((0, 0, 8, 3, 0, 0, 0, 8, 0, 0, 0, 4, 0, 0, 0, 4)) + bytes(range(128))


def shard() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for i in range(6):
            for suffix, content in (
                ("png", PNG),
                ("json" if i % 2 else "cls", b'{"label": 1}' if i % 2 else b"2"),
            ):
                info = tarfile.TarInfo(f"{i:06d}.{suffix}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def parquet() -> bytes:
    import pyarrow
    from pyarrow.parquet import write_table

    data = io.BytesIO()
    pictures = [{"bytes": PNG, "path": name} for name in MEMBERS]
    table = pyarrow.table({"image": pictures, "label": [name[:3] for name in MEMBERS]})
    write_table(table, data, row_group_size=3)
    return data.getvalue()


MAKERS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "CSV": ("t.csv", lambda: table(",")),
    "CSV with semicolons": ("t.csv", lambda: table(";")),
    "TSV": ("t.tsv", lambda: table("\t")),
    "JSONL": ("t.jsonl", json_lines),
    "zip, stored": ("t.zip", lambda: zipped(zipfile.ZIP_STORED)),
    "zip, deflated": ("t.zip", lambda: zipped(zipfile.ZIP_DEFLATED)),
    "zip, bzip2": ("t.zip", lambda: zipped(zipfile.ZIP_BZIP2)),
    "tar": ("t.tar", lambda: tarred("")),
    "tar.gz": ("t.tar.gz", lambda: tarred("gz")),
    "tar.bz2": ("t.tar.bz2", lambda: tarred("bz2")),
    "tar.xz": ("t.tar.xz", lambda: tarred("xz")),
    "IDX": ("train-images-idx3-ubyte", idx),
    "IDX, gzip": ("train-images-idx3-ubyte.gz", lambda: gzip.compress(idx(), mtime=0)),
    "CIFAR-10, binary": ("test_batch.bin", lambda: bytes(3073) + bytes((9,)) + bytes(range(256)) * 12),
    "WebDataset shard": ("t-train-0.tar", shard),
    "Parquet": ("t.parquet", parquet),
}
"""reader -> the name of a file for it, and what makes a sound one"""


def mutated(data: bytes, draw: random.Random) -> bytes:
    """One to four of: bits turned, bytes set to extremes, a piece lost, doubled or moved, the end cut."""
    for _ in range(draw.randint(1, 4)):
        if not data:
            return data
        at, length = draw.randrange(len(data)), draw.choice((1, 2, 4, 8, 64, 512))
        piece = data[at : at + length]
        there = draw.randrange(len(data))
        extreme = draw.choice(EXTREMES)
        data = draw.choice(
            [
                data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :],
                data[:at] + extreme + data[at + len(extreme) :],
                data[:at] + extreme + data[at:],
                data[:at] + data[at + length :],
                data[:there] + piece + data[there:],
                data[:there] + piece + data[there + length :],
                data[:at],
            ]
        )
    return data


def outcome(path: Path) -> str:
    """`read`, `read in part`, `refused`, or the type of an error that no reader may raise."""
    from neocog.data.source import open_dataset
    from neocog.errors import Unreadable, UserError

    signal.alarm(SECONDS)
    try:
        dataset = open_dataset(path)
        lost = 0
        for i in range(len(dataset)):
            dataset.short_name(i)
            try:
                dataset.samples.read(i)
            except Unreadable:
                lost += 1
        return "read in part" if lost else "read"
    except UserError as error:
        return "refused" if path.name in str(error) else "refused without the file's name"
    except TimeoutError:
        return "hang"
    except BaseException as error:
        return f"crash: {type(error).__name__}"
    finally:
        signal.alarm(0)


def late(number: int, frame: object) -> None:
    raise TimeoutError


def fuzz(reader: str, files: int, seed: int) -> dict[str, object]:
    """Counts of what became of `files` mutated files; runs in a process of its own."""
    name, make = MAKERS[reader]
    sound, draw = make(), random.Random(f"{reader} {seed}")
    signal.signal(signal.SIGALRM, late)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NEOCOG_CACHE"] = f"{folder}/cache"
        path = Path(folder, name)
        for member in MEMBERS:
            Path(folder, member).parent.mkdir(exist_ok=True)
            Path(folder, member).write_bytes(PNG)
        Path(folder, "train-labels-idx1-ubyte").write_bytes(bytes((0, 0, 8, 1, 0, 0, 0, 8)) + bytes(range(8)))
        path.write_bytes(sound)
        assert outcome(path) == "read", (reader, outcome(path))
        limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        for _ in range(files):
            data = mutated(sound, draw)
            path.write_bytes(data)
            found = outcome(path)
            counts[found] += 1
            if found.startswith(("crash", "hang")) or found == "refused without the file's name":
                keep = Path(tempfile.gettempdir(), f"fuzz-{found.split()[-1]}-{name}")
                keep.write_bytes(data)
            for left in Path(folder, "cache").glob("archives/*"):
                left.unlink()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return row(reader, files, seed, counts) | {
        "MiB added": round((peak - before) / 1024, 1),
        "seconds": round(time.perf_counter() - start, 1),
    }


def row(reader: str, files: int, seed: int, counts: Counter[str]) -> dict[str, object]:
    sound = ("read", "read in part", "refused")
    wrong = {found: n for found, n in counts.items() if found not in (*sound, "hang")}
    return {
        "reader": reader,
        "files": files,
        "seed": seed,
        **{found: counts[found] for found in sound},
        "hangs": counts["hang"],
        "crashes": sum(wrong.values()),
        "what crashed": "; ".join(f"{found} {n}" for found, n in sorted(wrong.items())),
    }


def main() -> int:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    rows = []
    for reader in MAKERS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(fuzz, (reader, files, seed)))
        sys.stdout.write(f"{rows[-1]}\n")
    with RESULT.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return int(any(r["hangs"] or r["crashes"] for r in rows))


if __name__ == "__main__":
    sys.exit(main())
