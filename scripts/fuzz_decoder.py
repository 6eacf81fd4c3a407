"""Feeds damaged pictures to the decoder: 40,000 mutants of the tests' odd pictures, in processes that may die.

    python scripts/fuzz_decoder.py [--count N] [--seed N]

It needs the tests beside it. A process gets so much address space, each picture so many seconds; one that crashes or
hangs ends its process and is counted, and the next process goes on behind it (`--work N` shows what mutant N does).
The table is kept in benchmarks/results/fuzz-decoder.csv; exit code 1 after a crash or a hang.
Linux only: it reads memory from /proc.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from struct import pack, unpack_from
from zlib import crc32

import numpy as np

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "benchmarks" / "results" / "fuzz-decoder.csv"
COLUMNS = ("format", "pictures", "decoded", "refused", "crashed", "hung", "peak_mib", "slowest_seconds")
ADDRESS_SPACE = 4 << 30  # bytes; a transparent picture of the most pixels allowed takes 2.8 GiB on the way
SECONDS = 30  # per picture
EXTREMES = (b"\0\0", b"\xff\xff", b"\x7f\xff", b"\xff\x7f", b"\0\1", b"\1\0", b"\x80\0", b"\0\x80")

Random = np.random.Generator


def flipped(data: bytearray, rng: Random) -> None:
    """One to eight bits, anywhere."""
    for place in rng.integers(0, len(data), rng.integers(1, 9)):
        data[place] ^= 1 << int(rng.integers(8))


def extreme(data: bytearray, rng: Random) -> None:
    """Two bytes of the header become a very large or small number."""
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(0, min(len(data), 300)))
        data[place : place + 2] = EXTREMES[int(rng.integers(len(EXTREMES)))]


def cut(data: bytearray, rng: Random) -> None:
    del data[int(rng.integers(len(data))) :]


def doubled(data: bytearray, rng: Random) -> None:
    """A piece, such as a chunk, comes once more somewhere."""
    start, length, place = (int(n) for n in rng.integers(0, [len(data), 400, len(data)]))
    data[place:place] = data[start : start + length]


def lost(data: bytearray, rng: Random) -> None:
    """A piece is missing."""
    start, length = (int(n) for n in rng.integers(0, [len(data), 400]))
    del data[start : start + length]


def scrambled(data: bytearray, rng: Random) -> None:
    """A piece is noise."""
    start, length = (int(n) for n in rng.integers(0, [len(data), 100]))
    data[start : start + length] = rng.bytes(len(data[start : start + length]))


KINDS: tuple[Callable[[bytearray, Random], None], ...] = (flipped, extreme, cut, doubled, lost, scrambled)


def mutant(pictures: dict[str, bytes], index: int, seed: int) -> tuple[str, bytes]:
    """The name of a picture and its content after one or two mutations, the same for the same numbers."""
    rng = np.random.default_rng((seed, index))
    name = sorted(pictures)[index % len(pictures)]
    data = bytearray(pictures[name])
    for _ in range(int(rng.integers(1, 3))):
        if data:
            KINDS[int(rng.integers(len(KINDS)))](data, rng)
    sealed = name.endswith(".png") and rng.random() < 0.7
    return name, with_checksums(bytes(data)) if sealed else bytes(data)


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the right CRC-32, so that a decoder reads what it would else refuse."""
    parts, place = [data[:8]], 8
    while place + 12 <= len(data):
        end = place + 8 + unpack_from(">I", data, place)[0]
        body = data[place + 4 : end]
        parts += [data[place : place + 4], body, pack(">I", crc32(body))]
        place = end + 4
    return b"".join(parts)


def work(first: int, count: int, seed: int) -> None:
    """Decode mutants `first` to `count`; a line on stdout before and after each."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")  # Pillow tells of damage that it can live with
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process even while it is in C
    sys.path.insert(0, str(ROOT / "tests"))
    import zoo
    from neocog.data.preprocess import Preprocess
    from neocog.errors import Unreadable

    pictures = zoo.good() | zoo.bad()
    ways = [
        Preprocess(size=(24, 24), resize_mode=mode, decoding=decoding)  # type: ignore[arg-type]
        for mode in ("crop", "pad", "squash")
        for decoding in ("exact", "fast")
    ]
    for index in range(first, count):
        name, data = mutant(pictures, index, seed)
        say(f"start {index} {name.rpartition('.')[2]}")
        Path("/proc/self/clear_refs").write_text("5")  # the largest resident set counts from here
        signal.alarm(SECONDS)
        start = time.perf_counter()
        try:
            pixels = ways[index % len(ways)](data)
            assert pixels.shape == (24, 24, 3) and pixels.dtype == np.uint8
            outcome = "decoded"
        except Unreadable:
            outcome = "refused"
        signal.alarm(0)
        status = Path("/proc/self/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
        say(f"end {outcome} {peak:.0f} {time.perf_counter() - start:.3f}")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def supervise(count: int, seed: int) -> dict[str, Counter[str]]:
    """Outcomes by format; `peak_mib` and `slowest` (milliseconds) are maxima."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    following = 0
    while following < count:
        command = [
            sys.executable,
            __file__,
            "--work",
            str(following),
            "--count",
            str(count),
            "--seed",
            str(seed),
        ]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        assert child.stdout
        row: Counter[str] | None = None
        for line in child.stdout:
            what, *rest = line.split()
            if what == "start":
                following, row = int(rest[0]) + 1, rows[rest[1]]
                row["pictures"] += 1
            elif row is not None:
                row[rest[0]] += 1
                row["peak_mib"] = max(row["peak_mib"], int(rest[1]))
                row["slowest"] = max(row["slowest"], round(1000 * float(rest[2])))
                row = None
        code = child.wait()
        if code and row is None:
            sys.exit(
                f"a process failed between two pictures, behind mutant {following - 1}, exit code {code}"
            )
        if row is not None:
            row["hung" if code == -signal.SIGALRM else "crashed"] += 1
            sys.stderr.write(f"mutant {following - 1} of seed {seed} ended its process: {code}\n")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=int, help="only decode from this mutant on, here")
    given = parser.parse_args()
    if given.work is not None:
        work(given.work, given.count, given.seed)
        return
    rows = supervise(given.count, given.seed)
    total: Counter[str] = Counter()
    for row in rows.values():
        for key, value in row.items():
            total[key] = max(total[key], value) if key in ("peak_mib", "slowest") else total[key] + value
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*COLUMNS, "seed", "versions"))
        versions = "; ".join(f"{name} {version(name)}" for name in ("pillow", "simplejpeg", "numpy"))
        for name, row in [*sorted(rows.items()), ("all", total)]:
            cells = [name, *(row[column] for column in COLUMNS[1:-1]), row["slowest"] / 1000]
            writer.writerow((*cells, given.seed, versions))
    sys.stdout.write(TABLE.read_text())
    sys.exit(1 if total["crashed"] or total["hung"] else 0)


if __name__ == "__main__":
    main()
