"""Zip and tar archives as data sets, sound and hostile ones."""

import bz2
import gzip
import io
import lzma
import multiprocessing
import os
import pickle
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from neocog.data.dataset import Dataset
from neocog.data.reading import Reading
from neocog.data.samples import MAX_MEMBER, Joined, Members, Samples, as_samples, fetch_plain
from neocog.data.source import list_pictures, open_dataset
from neocog.data.sources import tars, zips
from neocog.data.sources.listing import safe_name
from neocog.errors import Unreadable, UserError

PICTURE = zoo.good()["one-pixel.png"]
TREE = {f"{kind}/{n}.png": PICTURE + f"{kind}{n}".encode() for kind in ("cat", "dog") for n in (1, 2, 10)}
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lambda data: lzma.compress(data, preset=0),
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def tarred(files: dict[str, bytes], layout: int = tarfile.PAX_FORMAT) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=layout) as archive:
        for name, content in files.items():
            archive.addfile(header(name, len(content)), io.BytesIO(content))
    return data.getvalue()


def header(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info


def written(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def contents(dataset: Dataset) -> dict[str, tuple[str, bytes]]:
    """Name below the archive -> class, bytes."""
    classes = (*dataset.classes, "")
    return {
        dataset.short_name(i): (classes[dataset.labels[i]], bytes(dataset.samples.read(i)))
        for i in range(len(dataset))
    }


def sorted_tree(files: dict[str, bytes]) -> dict[str, tuple[str, bytes]]:
    return {name: (name.split("/")[-2], content) for name, content in files.items()}


MAKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "stored.zip": lambda files: zipped(files, zipfile.ZIP_STORED),
    "deflated.zip": zipped,
    "bzip2.zip": lambda files: zipped(files, zipfile.ZIP_BZIP2),
    "after-a-program.zip": lambda files: b"#!/bin/sh\n" * 9 + zipped(files),
    "ustar.tar": lambda files: tarred(files, tarfile.USTAR_FORMAT),
    "gnu.tar": lambda files: tarred(files, tarfile.GNU_FORMAT),
    "pax.tar": tarred,
    "x.tar.gz": lambda files: gzip.compress(tarred(files)),
    "two-streams.tgz": lambda files: b"".join(map(gzip.compress, halves(tarred(files)))),
    "x.tar.bz2": lambda files: bz2.compress(tarred(files)),
    "two-streams.tbz2": lambda files: b"".join(map(bz2.compress, halves(tarred(files)))),
    "x.tar.xz": lambda files: lzma.compress(tarred(files)),
    "two-streams-and-padding.txz": lambda files: (
        b"".join(map(lzma.compress, halves(tarred(files)))) + bytes(4)
    ),
    "not-packed.tar.gz": tarred,
    "packed.tar": lambda files: gzip.compress(tarred(files)),
}


def halves(data: bytes) -> tuple[bytes, bytes]:
    return data[: len(data) // 3], data[len(data) // 3 :]


@pytest.mark.parametrize("name", MAKERS)
def test_an_archive_is_read_as_the_folder_that_it_holds(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, MAKERS[name](TREE))
    dataset = open_dataset(path)
    assert list(contents(dataset).items()) == list(sorted_tree(TREE).items())
    assert (dataset.classes, dataset.root, dataset.notes) == (("cat", "dog"), path, ())
    assert dataset.samples.name(0) == f"{path}/cat/1.png"
    assert dataset.name == name.split(".")[0]


NAMES = st.from_regex(r"[a-z0-9 äé猫]{1,8}", fullmatch=True)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.tuples(NAMES, NAMES), st.binary(min_size=1, max_size=3000), min_size=1, max_size=8),
    st.sampled_from(sorted(MAKERS)),
)
def test_every_picture_comes_back_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[tuple[str, str], bytes], name: str
) -> None:
    files = {f"{folder}/{picture}.png": content for (folder, picture), content in tree.items()}
    path = written(tmp_path_factory.mktemp("a"), name, MAKERS[name](files))
    samples = open_dataset(path).samples
    assert {samples.name(i): samples.read(i) for i in range(len(samples))} == {
        f"{path}/{name}": content for name, content in files.items()
    }


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize(
    ("files", "classes", "parts"),
    [
        (["train/a/1.png", "test/b/1.png", "train/b/1.png"], ("a", "b"), ["train", "train", "test"]),
        (["photos/train/a/1.png", "photos/val/a/1.png"], ("a",), ["train", "val"]),
        (["photos/a/1.png", "photos/b/x/1.png"], ("a", "b"), ["", ""]),
        (["./x/y/a/1.png", "./x/y/b/1.png"], ("a", "b"), ["", ""]),
        (["1.png", "2.png"], (), ["", ""]),
        (["train/a/1.png", "train/b/1.png"], ("a", "b"), ["train", "train"]),
        (["a/1.png", "__MACOSX/a/._1.png", "b/1.png", "b/.2.png", ".git/c/1.png"], ("a", "b"), ["", ""]),
    ],
)
def test_the_rules_of_folders_hold_inside(
    tmp_path: Path,
    make: Callable[[dict[str, bytes]], bytes],
    files: list[str],
    classes: tuple[str, ...],
    parts: list[str],
) -> None:
    path = written(tmp_path, "x.zip" if make is zipped else "x.tar", make(dict.fromkeys(files, PICTURE)))
    dataset = open_dataset(path)
    assert (dataset.classes, dataset.parts.tolist()) == (classes, parts)


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("top", ["", "set/"])
def test_a_table_inside_names_the_pictures_beside_it(
    tmp_path: Path, make: Callable[[dict[str, bytes]], bytes], top: str
) -> None:
    table = b"file,species,split\nimages/b.png,dog,val\n./images/a,cat,train\n"
    files = {f"{top}labels.csv": table} | {f"{top}images/{name}.png": PICTURE for name in "abz"}
    path = written(tmp_path, "x.zip" if make is zipped else "x.tar", make(files))
    dataset = open_dataset(path)
    assert contents(dataset) == {
        f"{top}images/b.png": ("dog", PICTURE),
        f"{top}images/a.png": ("cat", PICTURE),
    }
    assert dataset.parts.tolist() == ["val", "train"]
    assert dataset.notes[-1] == f"left out: 1 pictures that {top}labels.csv does not name"


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("top", ["", "set/"])
def test_tables_inside_called_train_and_val_are_the_parts(
    tmp_path: Path, make: Callable[[dict[str, bytes]], bytes], top: str
) -> None:
    files = {
        f"{top}val.csv": b"path,label\nimages\\b.png,dog\n",
        f"{top}train.csv": b"path,label\nimages\\a.png,cat\n",
    } | {f"{top}images/{name}.png": PICTURE for name in "ab"}
    dataset = open_dataset(written(tmp_path, "x.zip" if make is zipped else "x.tar", make(files)))
    assert contents(dataset) == {
        f"{top}images/a.png": ("cat", PICTURE),
        f"{top}images/b.png": ("dog", PICTURE),
    }
    assert dataset.parts.tolist() == ["train", "val"]


def test_an_error_in_a_table_inside_names_archive_table_and_line(tmp_path: Path) -> None:
    files = {"t.csv": b"path,label\na.png,x\n../b.png,y\n", "a.png": PICTURE}
    with pytest.raises(UserError, match=r"x\.zip/t\.csv:3: the picture must exist, got '\.\./b\.png'"):
        open_dataset(written(tmp_path, "x.zip", zipped(files)), Reading())


def test_files_that_are_no_pictures_are_counted(tmp_path: Path) -> None:
    files = TREE | {"README": b"x", "cat/notes.txt": b"x"}
    dataset = open_dataset(written(tmp_path, "x.tar", tarred(files)))
    assert dataset.notes == ("ignored: 2 files that are no pictures by their names",)


def bad_zip(change: Callable[[zipfile.ZipFile], None]) -> bytes:
    data = io.BytesIO(zipped(TREE))
    with zipfile.ZipFile(data, "a") as archive:
        change(archive)
    return data.getvalue()


def link_in_zip(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("cat/link.png")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


HOSTILE = ["../out.png", "/abs.png", "cat/../../out.png", "C:/win.png"]


def test_names_that_lead_out_of_a_zip_and_links_are_left_out_with_a_note(tmp_path: Path) -> None:
    def change(archive: zipfile.ZipFile) -> None:
        for name in [*HOSTILE, "..\\win.png"]:
            archive.writestr(name, PICTURE)
        link_in_zip(archive)

    dataset = open_dataset(written(tmp_path, "x.zip", bad_zip(change)))
    assert contents(dataset) == sorted_tree(TREE)
    assert dataset.notes == (
        "left out: 1 links (as cat/link.png)",
        "left out: 5 members whose names lead out of it (as ../out.png)",
    )


def test_names_that_lead_out_of_a_tar_links_and_devices_are_left_out_with_a_note(tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name in [*HOSTILE, *TREE]:
            archive.addfile(header(name, len(PICTURE)), io.BytesIO(PICTURE))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            archive.addfile(header(f"cat/{kind.decode()}.png", kind=kind, link="/etc/passwd"))
    dataset = open_dataset(written(tmp_path, "x.tar", data.getvalue()))
    assert list(contents(dataset)) == list(TREE)
    assert dataset.notes == (
        "left out: 4 links and devices (as cat/2.png)",
        "left out: 4 members whose names lead out of it (as ../out.png)",
    )


@given(st.text(max_size=30) | st.lists(st.sampled_from(["..", ".", "", "a", "C:", "\\"])).map("/".join))
def test_a_safe_name_stays_below_any_folder(name: str) -> None:
    safe = safe_name(name)
    if safe is not None:
        place = os.path.normpath(f"/top/{safe}")
        assert place == f"/top/{safe}"
        assert place.startswith("/top/")


def test_of_two_members_of_one_name_the_later_counts(tmp_path: Path) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for content in (b"old", b"newer"):
            archive.addfile(header("a/1.png", len(content)), io.BytesIO(content))
    dataset = open_dataset(written(tmp_path, "x.tar", data.getvalue()))
    assert contents(dataset) == {"a/1.png": ("a", b"newer")}
    assert dataset.notes == ("left out: 1 members that a later one of the same name replaces (as a/1.png)",)


@lru_cache(maxsize=1)
def forty_members(suffix: str) -> bytes:
    rng = np.random.default_rng(0)
    files = {f"a/{i}.png": rng.bytes(40_000) for i in range(40)}  # more than bzip2 packs at once
    return COMPRESS[suffix](tarred(files))


@pytest.mark.parametrize("left", [0.4, 0.9])
@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_tar_cut_in_the_middle_is_refused_with_the_number_of_whole_members(
    tmp_path: Path, cache: Path, suffix: str, left: float
) -> None:
    data = forty_members(suffix)
    path = written(tmp_path, f"x.tar{suffix}", data[: int(len(data) * left)])
    with pytest.raises(
        UserError, match=r"x\.tar.* members before that are whole; copy or download it again"
    ) as told:
        open_dataset(path)
    whole = int(str(told.value).split(" members before")[0].split()[-1])
    most = int(40 * left)
    assert most - (24 if suffix in (".bz2", ".xz") else 2) <= whole <= most
    assert not list(cache.glob("archives/*"))


@pytest.mark.parametrize("end", [512, 1024, 10_240])
def test_a_tar_without_its_end_mark_is_refused(tmp_path: Path, end: int) -> None:
    data = tarred({"a/1.png": PICTURE}, tarfile.USTAR_FORMAT)[:1024]
    with pytest.raises(UserError, match=r"is cut short: it has no end mark; 1 members before that are whole"):
        open_dataset(written(tmp_path, "x.tar", data))


def test_a_tar_cut_within_a_picture_names_it(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"x\.tar is cut short in cat/2\.png; 1 members before that are whole"
    ):
        open_dataset(written(tmp_path, "x.tar", tarred(TREE, tarfile.USTAR_FORMAT)[: 512 * 3 + 20]))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.zip", b"", r"x\.zip must be an archive, got an empty file"),
        (
            "x.zip",
            b"no archive",
            r"x\.zip is no whole zip archive: File is not a zip file; copy or download it again",
        ),
        ("x.zip", zipped(TREE)[:-30], r"x\.zip is no whole zip archive"),
        ("x.tar", b"no archive", r"x\.tar makes no sense: .*; 0 members before that are whole"),
        ("x.tar", b"x" * 2000, r"x\.tar makes no sense: .*; 0 members before that are whole"),
        ("x.tar.gz", gzip.compress(b"no archive", mtime=0), r"x\.tar\.gz makes no sense"),
        ("x.tar.gz", b"\x1f\x8b\x08\x00broken header", r"x\.tar\.gz cannot be unpacked to its end"),
        ("x.tar.xz", b"\xfd7zXZ\x00broken header", r"x\.tar\.xz cannot be unpacked to its end"),
        (
            "x.tar",
            b"\x28\xb5\x2f\xfdzstd",
            r"may be packed by gzip, bzip2 or xz, got zstd in .*; unpack it first",
        ),
        ("x.zip", zipped({"a.txt": b"x"}), r"no picture found in .*x\.zip"),
        (
            "x.zip",
            zipped(TREE, zipfile.ZIP_LZMA),
            r"cat/1\.png is packed by LZMA, which is not read; pack it by",
        ),
    ],
)
def test_a_file_that_is_no_whole_archive_is_refused_by_name(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        open_dataset(written(tmp_path, name, data))


def changed(data: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """`data` with a field of its first zip header of this kind overwritten."""
    at = data.index(signature) + offset
    return data[:at] + value + data[at + len(value) :]


INDEX, LOCAL = b"PK\x01\x02", b"PK\x03\x04"


def test_an_encrypted_zip_is_refused_by_the_name_of_a_picture(tmp_path: Path) -> None:
    data = changed(zipped(TREE), INDEX, 8, b"\x01\x00")
    with pytest.raises(UserError, match=r"x\.zip must not be encrypted, but cat/1\.png is; unpack it with"):
        open_dataset(written(tmp_path, "x.zip", data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (changed(zipped(TREE), INDEX, 16, b"abcd"), "what it unpacks to is not what was packed"),
        (changed(zipped(TREE), INDEX, 24, struct.pack("<I", 7)), "what it unpacks to is not what was packed"),
        (
            changed(zipped(TREE), INDEX, 24, struct.pack("<I", 200_000_000)),
            "bytes cannot unpack to 200,000,000",
        ),
        (
            changed(zipped(TREE), INDEX, 24, struct.pack("<I", MAX_MEMBER + 1)),
            "too large: unpacks to 268,435,457",
        ),
        (changed(zipped(TREE), LOCAL, 0, b"XXXX"), "the archive's index leads to no member"),
        (changed(zipped(TREE), LOCAL, 39, b"\xff\xff\xff\xff"), "damaged: "),
    ],
)
def test_a_damaged_member_of_a_zip_is_unreadable_and_the_others_are_read(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    samples = open_dataset(written(tmp_path, "x.zip", data)).samples
    with pytest.raises(Unreadable, match=reason):
        samples.read(0)
    assert [samples.read(i) for i in range(1, 6)] == list(TREE.values())[1:]


def test_a_bomb_in_a_zip_is_never_unpacked_beyond_its_size(tmp_path: Path) -> None:
    """A gigabyte of zeros that claims to be 1,000 bytes."""
    packer = zlib.compressobj(9, wbits=-15)
    packed = b"".join([packer.compress(bytes(1 << 20)) for _ in range(64)]) + packer.flush()
    span = np.array([0, 1000, len(packed), 0, 8])
    member = struct.pack("<4s22xHH", LOCAL, 0, 0) + packed
    with pytest.raises(Unreadable, match="what it unpacks to is not what was packed"):
        zips.fetch_zipped(io.BytesIO(member), span)
    assert len(zips._unpack(packed, 1000, 8)) == 1001


def test_a_bomb_in_a_packed_tar_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setattr(tars, "NO_BOMB", 1 << 20)
    path = written(tmp_path, "x.tar.gz", gzip.compress(bytes(8 << 20)))
    with pytest.raises(UserError, match=r"x\.tar\.gz unpacks to more than 200 times its size: a bomb"):
        open_dataset(path)
    assert not list(cache.glob("archives/*"))


def test_a_name_in_a_tar_that_claims_gigabytes_is_not_read(tmp_path: Path) -> None:
    huge = header("././@LongLink", 3 << 30, tarfile.GNUTYPE_LONGNAME).tobuf(tarfile.GNU_FORMAT)
    with pytest.raises(UserError, match="makes no sense: a header of 3,221,225,472 bytes"):
        open_dataset(written(tmp_path, "x.tar", huge + bytes(1 << 16)))


def test_a_packed_tar_is_unpacked_once_into_the_cache_until_it_changes(tmp_path: Path, cache: Path) -> None:
    path = written(tmp_path, "x.tar.gz", gzip.compress(tarred(TREE)))
    open_dataset(path)
    kept = list(cache.glob("archives/*"))
    assert [file.read_bytes() for file in kept] == [tarred(TREE)]
    kept[0].touch()
    before = kept[0].stat().st_mtime_ns
    open_dataset(path)
    assert kept[0].stat().st_mtime_ns == before
    path.write_bytes(gzip.compress(tarred({"b/1.png": PICTURE})))
    assert open_dataset(path).classes == ("b",)


def test_another_process_s_copy_in_the_cache_is_read_on(tmp_path: Path, cache: Path) -> None:
    path = written(tmp_path, "x.tar.gz", gzip.compress(tarred(TREE)))
    samples = open_dataset(path).samples
    for file in cache.glob("archives/*"):
        file.unlink()
    open_dataset(path)
    assert read_all(samples) == list(TREE.values())


@pytest.mark.parametrize("name", ["deflated.zip", "pax.tar", "x.tar.gz"])
def test_an_archive_that_changed_after_it_was_opened_is_unreadable(
    tmp_path: Path, cache: Path, name: str
) -> None:
    path = written(tmp_path, name, MAKERS[name](TREE))
    samples = open_dataset(path).samples
    for file in [path, *cache.glob("archives/*")]:
        file.write_bytes(b"x" * 100_000)
    with pytest.raises(Unreadable, match="the archive has changed since it was opened"):
        samples.read(0)


@pytest.mark.parametrize(
    ("flag", "raw", "name"),
    [
        (0, "é.png".encode(), "é.png"),
        (0, b"\x82.png", "é.png"),
        (0x800, "猫.png".encode(), "猫.png"),
        (0, b"a\\b.png", "a/b.png"),
    ],
)
def test_names_in_a_zip_are_read_as_their_makers_mean_them(
    tmp_path: Path, flag: int, raw: bytes, name: str
) -> None:
    """UTF-8 with its flag; macOS' UTF-8 without it; DOS' code page 437; Windows' backslash."""
    data = zipped({"q" * len(raw): PICTURE}).replace(b"q" * len(raw), raw)
    data = changed(data, INDEX, 8, struct.pack("<H", flag))
    dataset = open_dataset(written(tmp_path, "x.zip", data))
    assert dataset.short_name(0) == name
    assert dataset.samples.read(0) == PICTURE


def read_all(samples: Samples) -> list[object]:
    return [samples.read(i) for i in range(len(samples))]


@pytest.mark.parametrize("name", ["deflated.zip", "pax.tar", "x.tar.xz"])
def test_threads_and_a_pickled_copy_read_the_same(tmp_path: Path, name: str) -> None:
    samples = open_dataset(written(tmp_path, name, MAKERS[name](TREE))).samples
    expected = list(TREE.values())
    assert read_all(pickle.loads(pickle.dumps(samples))) == expected
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(samples.read, list(range(6)) * 50)) == expected * 50


def test_another_process_reads_the_same(tmp_path: Path) -> None:
    samples = open_dataset(written(tmp_path, "x.zip", zipped(TREE))).samples
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(read_all, (samples,)) == list(TREE.values())


def test_members_take_flat_memory(tmp_path: Path) -> None:
    path = written(tmp_path, "x", b"x" * 100)
    members = Members(path, (f"folder/{i:08d}.jpg" for i in range(1000)), np.zeros((1000, 2), np.int64))
    assert as_samples(members) is members
    arrays = [
        vars(members._names)["_ends"].nbytes,
        len(vars(members._names)["_buffer"]),
        members._spans.nbytes,
    ]
    assert sum(arrays) == 1000 * (8 + 19 + 16)


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        ((0, 0), "empty file"),
        ((90, 20), "cut short: 10 of 20 bytes"),
        ((0, MAX_MEMBER + 1), "too large: 268,435,457"),
    ],
)
def test_bytes_that_are_not_there_are_unreadable(tmp_path: Path, span: tuple[int, int], reason: str) -> None:
    path = written(tmp_path, "x", b"x" * 100)
    with pytest.raises(Unreadable, match=reason):
        Members(path, ["a"], np.array([span]), fetch_plain).read(0)


def test_a_missing_archive_is_unreadable(tmp_path: Path) -> None:
    members = Members(written(tmp_path, "x", b"x"), ["a"], np.array([(0, 1)]))
    (tmp_path / "x").unlink()
    with pytest.raises(Unreadable, match="cannot be opened: No such file"):
        members.read(0)


@given(st.lists(st.lists(st.binary(min_size=1), max_size=4), max_size=5))
def test_joined_samples_are_one_after_the_other(several: list[list[bytes]]) -> None:
    joined = Joined([as_samples(pictures) for pictures in several])
    assert read_all(joined) == [picture for pictures in several for picture in pictures]


def test_an_archive_among_pictures_to_predict_stands_for_what_it_holds(tmp_path: Path) -> None:
    path = written(tmp_path, "x.zip", zipped(TREE))
    written(tmp_path, "z.png", PICTURE)
    assert read_all(list_pictures([tmp_path / "z.png", path])) == [PICTURE, *TREE.values()]
