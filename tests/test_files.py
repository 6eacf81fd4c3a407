import hashlib
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neocog import files
from neocog.errors import UserError

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals, limits and modes")


def write_under_a_limit(path: Path, before: str) -> subprocess.CompletedProcess[str]:
    """In another process: write 1 MB to `path` where 100,000 bytes is the most a file may have."""
    code = f"""
import resource, signal
from pathlib import Path
from neocog import files
{before}
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
files.write_bytes(Path({str(path)!r}), bytes(1_000_000))
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@given(st.binary())
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "written"
    files.write_bytes(path, data)
    assert path.read_bytes() == data


def test_an_existing_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old and longer")
    files.write_bytes(tmp_path / "a", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"new"}


def test_a_reader_of_the_old_file_reads_it_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with (tmp_path / "a").open("rb") as reader:
        files.write_bytes(tmp_path / "a", b"new")
        assert reader.read() == b"old"


@posix
def test_a_full_disk_keeps_the_old_file_and_leaves_no_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    done = write_under_a_limit(tmp_path / "a", before="")
    assert f"UserError: cannot write {tmp_path / 'a'}: File too large; choose another place" in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


@posix
def test_a_process_killed_while_it_writes_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    done = write_under_a_limit(tmp_path / "a", before="signal.signal(signal.SIGXFSZ, signal.SIG_DFL)")
    assert done.returncode == -signal.SIGXFSZ
    assert (tmp_path / "a").read_bytes() == b"old"


@posix
@pytest.mark.parametrize("step", range(1, 6))
def test_a_process_killed_at_any_step_leaves_the_old_file_or_the_new_one(tmp_path: Path, step: int) -> None:
    (tmp_path / "a").write_bytes(b"old")
    code = f"""
import os, signal, sys
from pathlib import Path
from neocog import files
steps = []
def count(event, args):  # every opening, renaming, removing
    steps.extend([event] * ({str(tmp_path)!r} in str(args)))
    if len(steps) == {step}:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
files.write_bytes(Path({str(tmp_path / "a")!r}), b"new")
"""
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode != 0
    assert (tmp_path / "a").read_bytes() in ((b"old", b"new") if killed else (b"new",))
    assert killed or step > 2  # it opens and renames at least


def test_a_file_in_place_of_the_folder_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        UserError, match="cannot write .*: Not a directory; choose another place or free some"
    ):
        files.write_bytes(tmp_path / "file" / "a", b"new")


def test_a_folder_in_place_of_the_file_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(UserError, match="cannot write .*: Is a directory"):
        files.write_bytes(tmp_path / "a", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@posix
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_file_mode_is_what_the_umask_says(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        files.write_bytes(tmp_path / "a", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def test_text_is_written_as_utf8_and_foreign_bytes_as_they_were(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a", "é 猫 \udce9")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa9 \xe7\x8c\xab \xe9"


def test_a_folder_is_made_with_its_parents_and_again_without_complaint(tmp_path: Path) -> None:
    for _ in range(2):
        assert files.make_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot make the folder .*: Not a directory; choose another place"):
        files.make_folder(tmp_path / "file" / "a")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot write into .*: permission denied"):
        files.make_folder(tmp_path)


@given(st.binary(max_size=300_000))
def test_the_sum_is_sha256(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "summed"
    path.write_bytes(data)
    assert files.sha256(path) == hashlib.sha256(data).hexdigest()
