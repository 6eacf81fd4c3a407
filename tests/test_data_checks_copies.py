import io
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

import zoo
from neocog.data.builtin import whole_photographs
from neocog.data.checks.check import Checked, check
from neocog.data.checks.copies import Copies, find_copies
from neocog.data.checks.scan import scan
from neocog.data.dataset import Dataset
from neocog.data.samples import Arrays, Picture

PHOTO, OTHER, THIRD = (
    Image.open(io.BytesIO(whole_photographs().read(i))).convert("RGB").resize((200, 160)) for i in (0, 1, 2)
)


def png(image: Image.Image) -> bytes:
    return zoo.encoded(image, "PNG", compress_level=1)


def jpeg(image: Image.Image, quality: int = 92, **options: object) -> bytes:
    return zoo.encoded(image, "JPEG", quality=quality, **options)


def copies(*pictures: Picture) -> Copies:
    samples = Arrays(list(pictures))
    return find_copies(samples, scan(samples).facts)


def lists(groups: tuple[NDArray[np.int64], ...]) -> list[list[int]]:
    return [group.tolist() for group in groups]


def test_the_same_bytes_are_exact_copies_and_nothing_wider() -> None:
    found = copies(png(PHOTO), jpeg(OTHER), png(PHOTO), png(THIRD), png(PHOTO))
    assert lists(found.exact) == [[0, 2, 4]]
    assert not (found.pixels or found.near or found.mirrored)


def test_the_same_pixels_in_other_files_are_found_at_full_size() -> None:
    """The JPEG is decoded at a reduced scale at first, its PNG in full; an EXIF block changes the file alone."""
    file = jpeg(PHOTO)
    exif = jpeg(PHOTO, exif=zoo.exif(1, "<"))
    decoded = Image.open(io.BytesIO(file))
    found = copies(file, exif, png(decoded), zoo.encoded(decoded, "BMP"), jpeg(OTHER))
    assert lists(found.pixels) == [[0, 1, 2, 3]]
    assert not (found.exact or found.near)


def test_pixels_that_differ_below_the_scale_are_not_the_same() -> None:
    """One level in one pixel: invisible at an eighth of the size, and to the hashes."""
    pixels = np.asarray(PHOTO).copy()
    pixels[100, 100] ^= 1
    found = copies(png(PHOTO), png(Image.fromarray(pixels)))
    assert not found.pixels
    assert lists(found.near) == [[0, 1]]


@pytest.mark.parametrize(
    "change",
    [
        lambda i: i.resize((100, 80)),
        lambda i: i.resize((400, 320)),
        lambda i: Image.open(io.BytesIO(jpeg(i, 40))),
        lambda i: ImageEnhance.Brightness(i).enhance(0.8),
        lambda i: i.convert("L"),
        lambda i: i.crop((4, 3, 196, 157)),
    ],
    ids=["half", "double", "quality 40", "darker", "grey", "cut by 4 %"],
)
def test_made_near_copies_are_found_and_other_photographs_are_not(change: object) -> None:
    found = copies(*map(png, (PHOTO, OTHER, THIRD, change(PHOTO))))  # type: ignore[operator]
    assert lists(found.near) == [[0, 3]]
    assert not (found.exact or found.pixels or found.mirrored)


def test_a_mirror_image_is_told_apart_from_a_copy() -> None:
    found = copies(png(PHOTO), png(OTHER), png(ImageOps.mirror(PHOTO)))
    assert lists(found.mirrored) == [[0, 2]]
    assert not found.near


def test_plain_and_small_pictures_are_copies_only_where_equal() -> None:
    """All plain pictures and most of 28 pixels have nearly the same hashes."""
    plains = [Image.new("RGB", (64, 64), (level, level, level)) for level in (10, 11, 200)]
    small = [image.resize((28, 28)) for image in (PHOTO, ImageEnhance.Brightness(PHOTO).enhance(0.9))]
    found = copies(*map(png, plains), *map(png, small), zoo.encoded(plains[1], "BMP"))
    assert lists(found.pixels) == [[1, 5]]
    assert not (found.near or found.mirrored)


def data(pictures: list[Picture], labels: list[int], parts: list[str], n_classes: int = 2) -> Dataset:
    classes = tuple("abcdef"[:n_classes])
    return Dataset("d", Arrays(pictures), np.array(labels, np.int64), classes, np.array(parts))


def checked(dataset: Dataset, vectors: NDArray[np.floating] | None = None) -> Checked:
    return check(dataset, scan(dataset.samples), vectors)


def pictures_of(found: Checked, kind: str) -> list[list[int]]:
    return [list(finding.pictures) for finding in found.findings if finding.kind == kind]


def test_a_picture_under_two_labels_is_told_once() -> None:
    near = png(PHOTO.resize((150, 120)))
    pictures = [png(PHOTO), png(PHOTO), png(OTHER), near, png(OTHER)]
    found = checked(data(pictures, [0, 1, 0, 0, 0], [""] * 5))
    assert pictures_of(found, "two-labels") == [[0, 1]]
    found = checked(data(pictures, [0, 0, 1, 1, 1], [""] * 5))
    assert pictures_of(found, "two-labels") == [[0, 1, 3]]


def test_pictures_with_several_classes_have_two_labels_only_where_these_differ() -> None:
    targets = np.array([[1, 1], [1, 1], [1, 0], [0, 1]], bool)
    dataset = Dataset(
        "d",
        Arrays([png(PHOTO), png(PHOTO), png(OTHER), png(OTHER)]),
        np.full(4, -1),
        ("a", "b"),
        np.full(4, ""),
        targets=targets,
    )
    assert pictures_of(checked(dataset), "two-labels") == [[2, 3]]


def test_leakage_is_a_number() -> None:
    """Of four pictures that judge, one was trained on as it is, one nearly, one is only doubled within its part."""
    near = png(OTHER.resize((150, 120)))
    pictures = [png(PHOTO), png(OTHER), png(PHOTO), near, png(THIRD), png(THIRD)]
    found = checked(data(pictures, [0, 1, 0, 1, 0, 0], ["train", "train", "val", "val", "val", "val"]))
    (leakage,) = found.leakage
    assert (leakage.part, leakage.same, leakage.near, leakage.of, leakage.share) == ("val", 1, 1, 4, 0.5)
    assert pictures_of(found, "leak") == [[0, 2], [1, 3]]


def test_without_parts_nothing_can_leak() -> None:
    found = checked(data([png(PHOTO)] * 2, [0, 0], ["", ""]))
    assert not found.leakage
    assert not pictures_of(found, "leak")


def test_vectors_find_what_no_hash_finds_and_repeat_nothing() -> None:
    pictures = [png(PHOTO), png(PHOTO), png(OTHER), png(THIRD)]
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0.01, 1]], np.float32)
    dataset = data(pictures, [0, 0, 0, 1], [""] * 4)
    assert pictures_of(checked(dataset, vectors), "alike") == [[2, 3]]
    assert pictures_of(checked(dataset, vectors), "two-labels") == [[2, 3]]
    assert not pictures_of(checked(dataset), "alike")


def test_the_gravest_findings_come_first() -> None:
    found = checked(data([b"text", png(PHOTO), png(PHOTO.convert("L"))], [0, 1, 1], [""] * 3))
    order = ["error", "warning", "note"]
    places = [order.index(finding.severity) for finding in found.findings]
    assert all(one <= other for one, other in pairwise(places))
    assert set(places) == {0, 1, 2}
