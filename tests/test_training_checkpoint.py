from __future__ import annotations

import json
import os
import random
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from neocog.errors import UserError
from neocog.training.resume.checkpoint import (
    Checkpoint,
    NotFinite,
    latest,
    read_checkpoint,
    steps,
    write_checkpoint,
)

ROOT = Path(__file__).parents[1]
DTYPES = [
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.bool, torch.complex64),
    *(torch.uint64, torch.uint32, torch.uint16, torch.uint8),
]
keys = st.text() | st.text("#a", max_size=3)  # "#" marks what JSON lacks
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def memory() -> Iterator[Path]:
    """A folder in memory where there is such a thing: fsync on a disk that others use takes a tenth of a second."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def tmp_path(memory: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=memory))


def silent(line: str) -> None:
    raise AssertionError(f"nothing is wrong, but it said: {line}")


def at(step: int, value: float | None = None) -> Checkpoint:
    filled = torch.full((5,), float(step) if value is None else value)
    return Checkpoint(step, {"net.w": filled}, {"epoch": step // 10})


def written(folder: Path, *at_steps: int, keep: int = 9) -> Path:
    for step in at_steps:
        write_checkpoint(folder, at(step), keep)
    return folder


def same(a: Any, b: Any) -> bool:
    """Equal with their types, NaN equal to NaN, -0.0 unlike 0.0."""
    return repr(a) == repr(b)


def bits(tensor: Tensor) -> bytes:
    plain = torch.empty(tensor.numel(), dtype=tensor.dtype).copy_(tensor.reshape(-1))
    return bytes(plain.view(torch.uint8).tolist())


# what goes in comes out


@settings(max_examples=60)
@given(st.dictionaries(keys, json_values))
def test_facts_come_back_exactly(memory: Path, facts: dict[str, Any]) -> None:
    folder = memory / "facts"
    card = write_checkpoint(folder, Checkpoint(1, {}, facts))
    assert same(read_checkpoint(folder, 1).facts, facts)
    json.loads(card.read_text(), parse_constant=silent)  # strict JSON, without NaN


@example(torch.float64, [1], "one of the last", 0)
@example(torch.float64, [0], "one of the last", 0)
@given(
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 4), max_size=4),
    st.sampled_from(["plain", "transposed", "strided", "one of the last"]),
    st.integers(0, 2**32),
)
def test_tensors_of_every_type_and_shape_come_back_bit_by_bit(
    memory: Path, dtype: torch.dtype, shape: list[int], form: str, seed: int
) -> None:
    folder = memory / "tensors"
    drawn = torch.rand([*shape, 6], generator=torch.Generator().manual_seed(seed)) * 100
    tensor = drawn.to(dtype)
    if form == "transposed":
        tensor = tensor.movedim(-1, 0)
    elif form == "strided":
        tensor = tensor[..., ::2]
    elif form == "one of the last":
        tensor = tensor[..., 3]  # one dimension fewer, 0-d where shape is empty
    write_checkpoint(folder, Checkpoint(7, {"other": torch.ones(3, dtype=torch.int8), "t": tensor}, {}))
    back = read_checkpoint(folder, 7).tensors["t"]
    assert (back.dtype, back.shape, bits(back)) == (tensor.dtype, tensor.shape, bits(tensor))


def test_tied_weights_and_views_of_one_memory_come_back(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    net[1].weight = net[0].weight
    tensors = {**net.state_dict(), "a row": net[0].weight[1], "conjugate": torch.tensor([1 + 2j]).conj()}
    write_checkpoint(tmp_path, Checkpoint(1, tensors, {}))
    back = read_checkpoint(tmp_path, 1).tensors
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in tensors.items())


def test_the_file_is_one_that_the_library_writes(tmp_path: Path) -> None:
    """The same header entries and bytes as safetensors' own, and aligned."""
    from safetensors.torch import save_file

    tensors = {"b": torch.arange(3.0), "a": torch.tensor([True]), "c": torch.arange(4).bfloat16()}
    write_checkpoint(tmp_path, Checkpoint(1, tensors, {}))
    save_file(tensors, tmp_path / "theirs", metadata={"format": "pt"})
    ours, theirs = (tmp_path / name for name in ("step-00000001.safetensors", "theirs"))
    assert header(ours) == header(theirs)
    assert ours.read_bytes() == theirs.read_bytes()


def header(path: Path) -> Any:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert length % 8 == 0
    return json.loads(data[8 : 8 + length])


def test_an_optimizers_state_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    def steps_of(net: nn.Linear, optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            net(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()

    net = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(net.parameters())
    steps_of(net, optimizer, 3)
    state = optimizer.state_dict()["state"]
    moments = {f"{i}.{name}": value for i, entry in state.items() for name, value in entry.items()}
    write_checkpoint(tmp_path, Checkpoint(3, {**net.state_dict(), **moments}, {}))
    steps_of(net, optimizer, 2)

    back = read_checkpoint(tmp_path, 3).tensors
    other = nn.Linear(3, 2)
    other.load_state_dict({name: back[name] for name in ("weight", "bias")})
    again = torch.optim.AdamW(other.parameters())
    taken = {i: {name: back[f"{i}.{name}"] for name in entry} for i, entry in state.items()}
    again.load_state_dict({"state": taken, "param_groups": again.state_dict()["param_groups"]})
    steps_of(other, again, 2)
    assert torch.equal(other.weight, net.weight)


def test_the_library_reads_it_alone(tmp_path: Path) -> None:
    written(tmp_path, 3)
    assert load_file(tmp_path / "step-00000003.safetensors")["net.w"].tolist() == [3.0] * 5


def test_a_run_that_changes_what_it_read_leaves_the_file_alone(tmp_path: Path) -> None:
    """The library maps the file into memory."""
    written(tmp_path, 3)
    first = read_checkpoint(tmp_path, 3).tensors["net.w"]
    first.zero_()
    assert read_checkpoint(tmp_path, 3).tensors["net.w"].tolist() == [3.0] * 5


# what is refused


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64, torch.float8_e5m2])
def test_what_is_not_finite_is_never_written(tmp_path: Path, value: float, dtype: torch.dtype) -> None:
    written(tmp_path, 100)
    tensors = {"ok": torch.ones(2), "bn1.running_var": torch.tensor([1.0, value, 2.0]).to(dtype)}
    rule = "after step 1,200 1 of 3 in 'bn1.running_var' are NaN or infinite; nothing was written, go on from the last"
    with pytest.raises(NotFinite, match=re.escape(rule)):
        write_checkpoint(tmp_path, Checkpoint(1200, tensors, {}))
    assert steps(tmp_path) == [100]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_mask_may_hold_infinities(tmp_path: Path) -> None:
    mask = torch.full((3, 3), -inf).triu(1)
    write_checkpoint(tmp_path, Checkpoint(1, {"mask": mask}, {}), constants=frozenset({"mask"}))
    assert torch.equal(read_checkpoint(tmp_path, 1).tensors["mask"], mask)


@pytest.mark.parametrize(
    "tensor", [torch.eye(2).to_sparse(), torch.ones(2, dtype=torch.complex128), torch.ones(2, device="meta")]
)
def test_a_tensor_that_the_format_lacks_is_refused_by_name(tmp_path: Path, tensor: Tensor) -> None:
    with pytest.raises(UserError, match="dense tensors of the usual types, got .* for 'odd'; keep it out"):
        write_checkpoint(tmp_path, Checkpoint(1, {"odd": tensor}, {}))
    assert not list(tmp_path.iterdir())


def test_facts_that_json_would_change_are_refused(tmp_path: Path) -> None:
    written(tmp_path, 1)
    for facts in ({"a": {1: 2}}, {"a": torch.ones(1)}):
        with pytest.raises(TypeError):
            write_checkpoint(tmp_path, Checkpoint(2, {}, facts))
    assert latest(tmp_path, silent)


# which are kept


def test_the_newest_and_the_protected_are_kept(tmp_path: Path) -> None:
    for step in (10, 20, 30, 40, 50):
        write_checkpoint(tmp_path, at(step), 2, frozenset({20}))
    assert steps(tmp_path) == [20, 40, 50]
    assert {path.stem for path in tmp_path.iterdir()} == {f"step-000000{step}" for step in (20, 40, 50)}
    write_checkpoint(tmp_path, at(60), 1)
    assert steps(tmp_path) == [60]


def test_a_run_that_went_back_leaves_none_of_its_old_future(tmp_path: Path) -> None:
    written(tmp_path, 10, 20, 30)
    write_checkpoint(tmp_path, at(15), 1)
    assert steps(tmp_path) == [15]


def test_a_step_written_anew_is_replaced(tmp_path: Path) -> None:
    for value in (1.0, 2.0, 3.0):
        write_checkpoint(tmp_path, at(5, value))
        found = latest(tmp_path, silent)
        assert found and found.tensors["net.w"].tolist() == [value] * 5
        assert len(list(tmp_path.iterdir())) == 2


def test_many_steps_are_in_order(tmp_path: Path) -> None:
    written(tmp_path, 99_999_999, 100_000_000)
    found = latest(tmp_path, silent)
    assert found and found.step == 100_000_000


# what is damaged


def test_there_is_none_before_the_first(tmp_path: Path) -> None:
    assert latest(tmp_path, silent) is None
    assert latest(tmp_path / "absent", silent) is None
    with pytest.raises(UserError, match=r"step-00000003\.json is missing"):
        read_checkpoint(tmp_path, 3)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("rm tensors", "step-00000020.safetensors cannot be read (No such file or directory)"),
        ("rm card", "step-00000020.json is missing: its checkpoint was written by half"),
        ("cut tensors", "step-00000020.safetensors is damaged: its SHA-256 is not the one in its card"),
        ("cut card", "step-00000020.json is damaged: its SHA-256 is not the one at its end"),
        ("empty card", "step-00000020.json is damaged: its SHA-256 is not the one at its end"),
        ("folder for card", "step-00000020.json cannot be read (Is a directory)"),
        ("other tensors", "step-00000020.safetensors is damaged: its SHA-256 is not the one in its card"),
    ],
)
def test_a_damaged_one_is_named_and_the_one_before_used(tmp_path: Path, harm: str, said: str) -> None:
    written(tmp_path, 10, 20)
    tensors, card = tmp_path / "step-00000020.safetensors", tmp_path / "step-00000020.json"
    {
        "rm tensors": tensors.unlink,
        "rm card": card.unlink,
        "cut tensors": lambda: tensors.write_bytes(tensors.read_bytes()[:-1]),
        "cut card": lambda: card.write_bytes(card.read_bytes()[:-1]),
        "empty card": lambda: card.write_bytes(b""),
        "folder for card": lambda: (card.unlink(), card.mkdir()),
        "other tensors": lambda: shutil.copy(tmp_path / "step-00000010.safetensors", tensors),
    }[harm]()
    lines: list[str] = []
    found = latest(tmp_path, lines.append)
    assert found and found.step == 10 and found.tensors["net.w"].tolist() == [10.0] * 5
    assert lines == [f"{tmp_path / said}; going on from step 10"]
    if harm != "folder for card":
        write_checkpoint(tmp_path, at(20), 2)  # the same step again heals it
        again = latest(tmp_path, silent)
        assert again and again.step == 20


def test_where_all_are_damaged_an_error_says_so(tmp_path: Path) -> None:
    for step in (10, 20):
        written(tmp_path, step)
    for path in tmp_path.glob("*.json"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        UserError, match="one checkpoint must be whole .* in .* none is .*20.json is damaged.*anew"
    ):
        latest(tmp_path, silent)


def test_a_first_one_that_was_never_finished_is_none(tmp_path: Path) -> None:
    written(tmp_path, 10)
    (tmp_path / "step-00000010.json").unlink()
    lines: list[str] = []
    assert latest(tmp_path, lines.append) is None
    assert len(lines) == 1 and lines[0].endswith("starting from the beginning")


def test_a_card_of_another_format_is_not_guessed_at(tmp_path: Path) -> None:
    import hashlib

    card = write_checkpoint(tmp_path, at(1))
    body = card.read_bytes().partition(b',\n"sum"')[0].replace(b'"format": 1', b'"format": 2')
    card.write_bytes(body + f',\n"sum": "{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode())
    with pytest.raises(UserError, match="has format 2, written by a newer neocog"):
        read_checkpoint(tmp_path, 1)


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
def test_every_flipped_bit_is_seen(tmp_path: Path, suffix: str) -> None:
    written(tmp_path, 10, 20)
    path, chance = tmp_path / f"step-00000020.{suffix}", random.Random(0)
    whole = path.read_bytes()
    for _ in range(1000):
        place = chance.randrange(8 * len(whole))
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        lines: list[str] = []
        found = latest(tmp_path, lines.append)
        assert found and found.step == 10 and len(lines) == 1, f"bit {place}"
    path.write_bytes(whole)
    found = latest(tmp_path, silent)
    assert found and found.step == 20


# disks and killed writers


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX modes")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_files_have_the_mode_that_the_umask_says(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        written(tmp_path / "checkpoints", 1)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "checkpoints").iterdir()} == {mode}


def test_a_file_in_place_of_the_folder_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").touch()
    with pytest.raises(UserError, match="cannot make the folder .*checkpoints: File exists; choose another"):
        written(tmp_path / "checkpoints", 1)


@contextmanager
def tmpfs(folder: Path, *options: str) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a file system can be mounted by root on Linux alone")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_without_room_nothing_is_begun(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "small", "size=3m") as folder:
        written(folder, 1)
        big = Checkpoint(2, {"net.w": torch.ones(1_000_000)}, {})
        with pytest.raises(
            UserError, match=r"a checkpoint needs 4\.\d MB in .*small, but 3\.\d MB are free; free some"
        ):
            write_checkpoint(folder, big)
        assert steps(folder) == [1] and len(list(folder.iterdir())) == 2


@pytest.mark.parametrize(("inodes", "name"), [(3, "step-00000002.safetensors"), (4, "step-00000002.json")])
def test_a_disk_that_fills_up_meanwhile_keeps_what_there_was(tmp_path: Path, inodes: int, name: str) -> None:
    """As many files as a file system may have are its room, too: nobody can ask for it beforehand."""
    with tmpfs(tmp_path / "small", "size=4m", f"nr_inodes={inodes}") as folder:
        written(folder, 1)
        with pytest.raises(
            UserError, match=f"cannot write .*{re.escape(name)}: No space left on device; choose"
        ):
            written(folder, 2)
        assert not list(folder.glob(".*"))
        lines: list[str] = []
        found = latest(folder, lines.append)
        assert found and found.step == 1 and len(lines) == (name.endswith("json"))
        subprocess.run(["mount", "-o", "remount,nr_inodes=9", str(folder)], check=True)
        written(folder, 3)  # which clears up
        assert {path.stem for path in folder.iterdir()} == {"step-00000001", "step-00000003"}


def test_a_read_only_folder_is_told_in_words(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "fixed", "size=2m") as folder:
        written(folder, 1)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        with pytest.raises(
            UserError, match="cannot write into .*fixed: permission denied; choose another place"
        ):
            written(folder, 2)
        found = latest(folder, silent)
        assert found and found.step == 1


def test_what_dead_writers_left_is_removed_and_a_living_ones_kept(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    (tmp_path / f".step-00000001.json.{dead.pid}-1.tmp").touch()
    (tmp_path / f".step-00000001.json.{os.getppid()}-1.tmp").touch()
    (tmp_path / ".notes.tmp").touch()
    written(tmp_path, 2)
    hidden = {path.name for path in tmp_path.glob(".*")}
    assert hidden == {f".step-00000001.json.{os.getppid()}-1.tmp", ".notes.tmp"}


@pytest.mark.skipif(not shutil.which("strace"), reason="system calls are counted by strace, on Linux")
def test_a_killed_writer_and_a_full_disk_leave_the_old_state_or_the_new() -> None:
    """The script compares states; here is seen that its kills came before, between and after what counts."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "kill_checkpoints.py"), "--quick"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        check=False,
    )
    if "cannot trace" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    at_calls, full, any_time = map(json.loads, done.stdout.splitlines())
    assert at_calls["whole"] == full["whole"] == 2  # both situations ended with a writer that survived
    assert at_calls["old"] >= 10 and at_calls["new"] >= 1 and at_calls["refused"] == 0
    assert full["refused"] >= 8 and full["old"] == full["new"] == 0
    assert any_time["times"] == 10


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_contents_are_on_the_disk_before_their_names_and_tensors_before_the_card(tmp_path: Path) -> None:
    code = f"""
import sys; sys.path.insert(0, {str(ROOT / "src")!r})
import torch; from pathlib import Path
from neocog.training.resume.checkpoint import Checkpoint, write_checkpoint
write_checkpoint(Path({str(tmp_path)!r}), Checkpoint(1, {{"w": torch.ones(9)}}, {{}}))
"""
    log = tmp_path.with_suffix(".calls")
    done = subprocess.run(
        [
            "strace",
            "-f",
            "--seccomp-bpf",
            "-y",
            "-o",
            str(log),
            "-e",
            "trace=fsync,rename",
            sys.executable,
            "-c",
            code,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"cannot trace: {done.stderr}")
    calls = [
        (
            re.split("[ (]+", line)[1],
            "json" if ".json" in line else "tensors" if ".safetensors" in line else "folder",
        )
        for line in log.read_text().splitlines()
        if str(tmp_path) in line
    ]
    each = [("fsync", "folder")]
    assert calls == [
        *[("fsync", "tensors"), ("rename", "tensors"), *each],
        *[("fsync", "json"), ("rename", "json"), *each],
    ]
