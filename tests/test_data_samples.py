import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import zoo
from neocog.data.samples import Arrays, Files, Samples, Subset, as_samples, content_hash
from neocog.errors import Unreadable, UserError

# what a file name may hold on POSIX, bytes that are no UTF-8 (as lone surrogates) among them
LETTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.integers(0xDC80, 0xDCFF).map(
    chr
)
NAMES = st.lists(st.text(LETTERS, max_size=12), max_size=12)
PICTURE = zoo.good()["one-pixel.png"]


def names(samples: Samples) -> list[str]:
    return [samples.name(i) for i in range(len(samples))]


@given(NAMES)
def test_files_give_back_every_name_to_the_byte(given: list[str]) -> None:
    back = names(Files(given))
    assert [os.fsencode(name) for name in back] == [os.fsencode(name) for name in given]


def test_files_take_flat_memory() -> None:
    files = Files(f"folder/{i:08d}.jpg" for i in range(1000))
    arrays = [value for value in vars(files._names).values() if isinstance(value, bytes | np.ndarray)]
    assert sum(a.nbytes if isinstance(a, np.ndarray) else len(a) for a in arrays) == 1000 * (19 + 8)
    assert len(arrays) == len(vars(files._names))


def test_files_are_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a b.png").write_bytes(PICTURE)
    assert Files([tmp_path / "a b.png"]).read(0) == PICTURE


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.png", "cannot be opened: No such file or directory"),
        (".", "cannot be opened: Is a directory"),
        ("empty.png", r"empty file \(0 bytes\)"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "empty.png").touch()
    with pytest.raises(Unreadable, match=reason):
        Files([tmp_path / name]).read(0)


def test_a_file_larger_than_any_picture_is_not_read_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "disk.png").open("wb") as file:
        file.truncate((1 << 30) + 1)  # takes no room on the disk
    with pytest.raises(Unreadable, match="too large: 1,073,741,825 bytes"):
        Files([tmp_path / "disk.png"]).read(0)


def test_a_name_with_a_zero_byte_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="cannot be opened"):
        Files(["a\0.png"]).read(0)


def test_a_subset_names_and_reads_the_pictures_it_was_given() -> None:
    subset = Subset(Arrays([b"a", b"b", b"c"], ["A", "B", "C"]), np.array([2, 0]))
    assert (names(subset), [subset.read(0), subset.read(1)]) == (["C", "A"], [b"c", b"a"])


def test_pictures_in_memory_are_named_by_their_place() -> None:
    assert names(Arrays([b"a", b"b"])) == ["[0]", "[1]"]


def test_too_few_names_are_refused() -> None:
    with pytest.raises(UserError, match="each picture needs one name, got 2 pictures and 1 names"):
        Arrays([b"a", b"b"], ["A"])


@pytest.mark.parametrize(
    "make", [str, Path, lambda p: [str(p)], lambda p: (Path(p),), lambda p: np.array([str(p)])]
)
def test_paths_in_any_form_become_files(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "x.png").write_bytes(PICTURE)
    samples = as_samples(make(tmp_path / "x.png"))
    assert (names(samples), samples.read(0)) == ([str(tmp_path / "x.png")], PICTURE)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 8, 8, 3), (5, (8, 8, 3))),
        ((5, 8, 8), (5, (8, 8))),
        ((8, 8, 3), (1, (8, 8, 3))),
        ((8, 8, 1), (1, (8, 8, 1))),
        ((8, 9), (1, (8, 9))),
    ],
)
def test_an_array_is_one_picture_or_a_stack(
    shape: tuple[int, ...], expected: tuple[int, tuple[int, ...]]
) -> None:
    array = np.arange(np.prod(shape)).reshape(shape)
    samples = as_samples(array)
    assert (len(samples), np.shape(samples.read(0))) == expected
    assert np.ravel(samples.read(0))[0] == 0


@pytest.mark.parametrize("picture", [PICTURE, Image.new("L", (2, 2)), np.zeros((4, 4), np.uint8)])
def test_one_picture_is_a_list_of_one(picture: object) -> None:
    samples = as_samples(picture)
    assert len(samples) == 1
    assert samples.read(0) is picture


def test_a_mix_of_kinds_keeps_its_order_and_the_names_of_files(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(PICTURE)
    array = np.zeros((4, 4), np.uint8)
    samples = as_samples(iter([array, tmp_path / "x.png", b"bytes"]))
    assert names(samples) == ["[0]", str(tmp_path / "x.png"), "[2]"]
    assert [samples.read(0) is array, samples.read(1), samples.read(2)] == [True, PICTURE, b"bytes"]


def test_a_missing_file_in_a_mix_is_unreadable_only_when_it_is_read(tmp_path: Path) -> None:
    samples = as_samples([b"bytes", tmp_path / "missing.png"])
    with pytest.raises(Unreadable, match="cannot be opened: No such file"):
        samples.read(1)


def test_samples_pass_through_as_they_are() -> None:
    samples = Subset(Files(["a"]), np.array([0]))
    assert as_samples(samples) is samples


def test_no_pictures_are_no_samples() -> None:
    assert len(as_samples([])) == 0


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(UserError, match="pictures must be paths, arrays or PIL pictures, got int"):
        as_samples(7)


@given(st.binary(min_size=1))
def test_a_file_s_hash_is_the_sha256_of_its_bytes(data: bytes) -> None:
    assert content_hash(data) == hashlib.sha256(data).digest()


PALETTE = Image.fromarray(zoo.scene()).quantize(8)


def other_palette() -> Image.Image:
    image = PALETTE.copy()
    image.putpalette(PALETTE.getpalette()[::-1])
    return image


def keyed(colour: int) -> Image.Image:
    image = PALETTE.copy()
    image.info["transparency"] = colour
    return image


def turned(orientation: int) -> Image.Image:
    return Image.open(io.BytesIO(zoo.jpeg(zoo.scene(), exif=zoo.exif(orientation, ">"))))


GREY = zoo.grey_scene()
DIFFERENT = [
    GREY,
    GREY.T,
    GREY.astype(float),
    GREY.reshape(-1, 1),
    GREY ^ 1,
    PALETTE,
    other_palette(),
    keyed(0),
    keyed(1),
    Image.frombytes("RGB", (8, 8), bytes(192)),
    Image.frombytes("YCbCr", (8, 8), bytes(192)),
    turned(1),
    turned(3),
]


def test_pictures_that_look_different_have_different_hashes() -> None:
    assert len({content_hash(picture) for picture in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize("picture", DIFFERENT)
def test_a_copy_has_the_same_hash(picture: np.ndarray | Image.Image) -> None:
    assert content_hash(picture.copy()) == content_hash(picture)


def test_the_layout_in_memory_does_not_change_the_hash() -> None:
    assert content_hash(np.asfortranarray(GREY)) == content_hash(GREY)


def test_an_opened_picture_that_is_cut_short_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="damaged: .*truncated"):
        content_hash(Image.open(io.BytesIO(zoo.bad()["cut-90.jpg"])))
