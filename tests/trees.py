"""Small trees on disk, each laid out exactly as the data set that it is named after; every picture tells its name."""

import csv
import gzip
import hashlib
import io
import json
import struct
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

CUB_PARTS = (  # parts/parts.txt of CUB-200-2011
    *("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg"),
    *("left wing", "nape", "right eye", "right leg", "right wing", "tail", "throat"),
)


def picture(name: str) -> bytes:
    """A JPEG of 8x6 pixels in one colour that its name decides."""
    colour = tuple(hashlib.sha256(name.encode()).digest()[:3])
    file = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(file, "JPEG", quality=95)
    return file.getvalue()


def write(root: Path, *names: str) -> None:
    """A picture at each path below `root`."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(name))


def texts(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """By hand: magic, sizes, numbers."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist(
    root: Path, counts: dict[str, int], zipped: bool = True, prefix: str = "", side: int = 4
) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """`counts`: pictures in `train` and `t10k`; labels go round the ten classes."""
    root.mkdir(parents=True, exist_ok=True)
    made = {}
    for part, count in counts.items():
        pixels = np.random.default_rng(len(part)).integers(0, 256, (count, side, side + 1), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
            data = idx_bytes(array)
            name = f"{prefix}{part}-{kind}-ubyte"
            (root / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(data) if zipped else data)
        made[part] = pixels, labels
    return made


def cifar(root: Path, files: dict[str, list[tuple[int, ...]]], names: dict[str, list[str]]) -> None:
    """`files`: the label bytes of each record. Pixel (channel, row, column) of record i is 7 i + 97 c + 3 y + x."""
    root.mkdir(parents=True, exist_ok=True)
    channel, row, column = np.indices((3, 32, 32))
    for file, records in files.items():
        data = b""
        for i, labels in enumerate(records):
            data += (
                bytes(labels) + ((7 * i + 97 * channel + 3 * row + column) % 256).astype(np.uint8).tobytes()
            )
        (root / file).write_bytes(data)
    texts(root, {file: "\n".join(lines) + "\n\n" for file, lines in names.items()})


def shard(path: Path, members: list[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


WORDS = {
    "n01440764": "tench, Tinca tinca",
    "n02012849": "crane",
    "n03126707": "crane",
    "n00001740": "entity",
}


def ilsvrc(root: Path) -> Path:
    """The kit numbers the classes 1: n03126707, 2: n01440764, 3: n02012849, and 4 is a synset with children."""
    order = ["n03126707", "n01440764", "n02012849", "n00001740"]
    kind = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O")]
    synsets = np.zeros((4, 1), dtype=kind)
    for i, wnid in enumerate(order):
        synsets[i, 0] = (float(i + 1), wnid, WORDS[wnid], "a gloss", float(3 * (i == 3)))
    data = root / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    savemat(data / "meta.mat", {"synsets": synsets})
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("2\n1\n3\n2\n")
    train = "ILSVRC2012_img_train"
    write(root, f"{train}/n01440764/n01440764_10026.JPEG", f"{train}/n01440764/n01440764_9.JPEG")
    write(root, f"{train}/n02012849/n02012849_1.JPEG", f"{train}/n03126707/n03126707_7.JPEG")
    write(root, *(f"ILSVRC2012_img_val/ILSVRC2012_val_{i:08d}.JPEG" for i in range(1, 5)))
    write(root, "ILSVRC2012_img_test/ILSVRC2012_test_00000001.JPEG")
    return root


def kaggle(root: Path) -> Path:
    top = "ILSVRC/Data/CLS-LOC"
    write(root, f"{top}/train/n01440764/n01440764_1.JPEG", f"{top}/train/n03126707/n03126707_2.JPEG")
    write(root, f"{top}/val/ILSVRC2012_val_00000001.JPEG", f"{top}/val/ILSVRC2012_val_00000002.JPEG")
    write(root, f"{top}/test/ILSVRC2012_test_00000001.JPEG")
    with (root / "LOC_val_solution.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["ImageId", "PredictionString"])
        table.writerow(["ILSVRC2012_val_00000002", "n01440764 111 108 431 202 "])
        table.writerow(["ILSVRC2012_val_00000001", "n03126707 85 1 499 272 n03126707 1 1 9 9 "])
    lines = "".join(f"{wnid} {WORDS[wnid]}\n" for wnid in ("n01440764", "n03126707"))
    texts(root, {"LOC_synset_mapping.txt": lines})
    return root


def imagenet21k(root: Path) -> Path:
    """One synset as a folder, two as the tar files that are published; `words.txt` names those it knows."""
    write(root, "n00007846/n00007846_1.JPEG")
    shard(root / "n00004475.tar", [(f"n00004475_{i}.JPEG", picture(f"b{i}")) for i in (2, 1)])
    shard(root / "n00001740.tar", [("n00001740_5.JPEG", picture("c"))])
    texts(root, {"words.txt": "n00004475\torganism, being\nn00007846\tperson, individual\n"})
    return root


def caltech101(root: Path) -> Path:
    top = "101_ObjectCategories"
    write(
        root, f"{top}/Faces/image_0001.jpg", f"{top}/Faces/image_0002.jpg", f"{top}/accordion/image_0001.jpg"
    )
    write(root, f"{top}/BACKGROUND_Google/image_0001.jpg", f"{top}/airplanes/image_0010.jpg")
    for place, box in (("Faces_2/annotation_0001", [3, 5, 2, 8]), ("airplanes_Side", [0, 0, 0, 0])):
        path = root / "Annotations" / f"{place}.mat"
        path.parent.mkdir(parents=True, exist_ok=True)
        savemat(path, {"box_coord": np.array([box], dtype=np.uint16), "obj_contour": np.ones((2, 9))})
    path = root / "Annotations" / "Airplanes_Side_2" / "annotation_0010.mat"
    path.parent.mkdir()
    savemat(path, {"box_coord": np.array([[1, 6, 1, 7]], dtype=np.uint16), "obj_contour": np.ones((2, 9))})
    return root


def office31(root: Path) -> Path:
    write(root, "amazon/images/back_pack/frame_0001.jpg", "amazon/images/back_pack/frame_0002.jpg")
    write(root, "amazon/images/mug/frame_0001.jpg", "dslr/images/mug/frame_0001.jpg")
    write(root, "webcam/images/back_pack/frame_0001.jpg")
    return root


def cub200(root: Path) -> Path:
    """Four pictures of two classes; picture 3 has a left eye that is not visible."""
    names = (
        "001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg",
        "001.Black_footed_Albatross/Black_Footed_Albatross_0009_34.jpg",
        "002.Laysan_Albatross/Laysan_Albatross_0003_1033.jpg",
        "002.Laysan_Albatross/Laysan_Albatross_0082_524.jpg",
    )
    write(root / "images", *names)
    locations = "".join(
        f"{i} {part} {0.0 if (i, part) == (3, 7) else 10.0 * i} {0.0 if (i, part) == (3, 7) else float(part)} "
        f"{0 if (i, part) == (3, 7) else 1}\n"
        for i in range(1, 5)
        for part in range(1, 16)
    )
    texts(
        root,
        {
            "images.txt": "".join(f"{i} {name}\n" for i, name in enumerate(names, 1)),
            "image_class_labels.txt": "1 1\n2 1\n3 2\n4 2\n",
            "train_test_split.txt": "1 0\n2 1\n3 1\n4 0\n",
            "classes.txt": "1 001.Black_footed_Albatross\n2 002.Laysan_Albatross\n",
            "bounding_boxes.txt": "1 60.0 27.0 325.0 304.0\n2 139.0 30.0 153.0 264.0\n"
            "3 14.0 112.0 388.0 186.0\n4 112.0 90.0 255.0 242.5\n",
            "parts/parts.txt": "".join(f"{i} {name}\n" for i, name in enumerate(CUB_PARTS, 1)),
            "parts/part_locs.txt": locations,
        },
    )
    return root


def sun397(root: Path, partitions: bool = True) -> Path:
    """Two classes, one nested; split 1 and split 2 exchange train and test; one picture of abbey is in no split."""
    write(root, "a/abbey/sun_aaa.jpg", "a/abbey/sun_bbb.jpg", "a/abbey/sun_ccc.jpg")
    write(root, "a/apartment_building/outdoor/sun_ddd.jpg", "a/apartment_building/outdoor/sun_eee.jpg")
    texts(root, {"ClassName.txt": "/a/abbey\n/a/apartment_building/outdoor\n"})
    one = "/a/abbey/sun_bbb.jpg\n/a/apartment_building/outdoor/sun_ddd.jpg\n"
    other = "/a/abbey/sun_aaa.jpg\n/a/apartment_building/outdoor/sun_eee.jpg\n"
    if partitions:
        lists = {"Training_01": one, "Testing_01": other, "Training_02": other, "Testing_02": one}
        texts(root, {f"Partitions/{name}.txt": text for name, text in lists.items()})
    return root


def pets(root: Path) -> Path:
    names = ("Abyssinian_100", "Abyssinian_10", "american_bulldog_2", "american_bulldog_11")
    write(root / "images", *(f"{name}.jpg" for name in names))
    (root / "images" / "Abyssinian_100.mat").write_bytes(b"there are some in the published folder")
    box = "<xmin>3</xmin><ymin>2</ymin><xmax>7</xmax><ymax>6</ymax>"
    xml = f"<annotation><object><name>cat</name><bndbox>{box}</bndbox></object></annotation>"
    texts(
        root / "annotations",
        {
            "list.txt": "#Image CLASS-ID SPECIES BREED ID\n#ID: 1:37 Class ids\nAbyssinian_100 1 1 1\n",
            "trainval.txt": "Abyssinian_100 1 1 1\namerican_bulldog_2 2 2 1\n",
            "test.txt": "Abyssinian_10 1 1 1\namerican_bulldog_11 2 2 1\n",
            "xmls/Abyssinian_100.xml": xml,
        },
    )
    return root


def flowers102(root: Path) -> Path:
    """Six pictures; the labels are the published numbers, from 1."""
    write(root / "jpg", *(f"image_{i:05d}.jpg" for i in range(1, 7)))
    savemat(root / "imagelabels.mat", {"labels": np.array([[77, 1, 102, 77, 1, 102]], dtype=np.uint8)})
    sets = {"trnid": [[4]], "valid": [[2]], "tstid": [[6, 1, 3, 5]]}
    savemat(root / "setid.mat", {name: np.array(ids, dtype=np.uint16) for name, ids in sets.items()})
    return root


def json_bytes(value: object) -> bytes:
    return json.dumps(value).encode()
