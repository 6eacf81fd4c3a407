"""Make the data set that the package carries: views of public-domain photographs, one folder per class.

The originals are files of an installed scikit-image. Each photograph yields views cut at a random place and
scale, slightly turned, brightened or darkened, and sometimes mirrored; a few photographs are kept whole too.
The generator is seeded with the photograph's name, so one photograph's views do not depend on the others.
"""

import argparse
import csv
import math
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

BUILTIN = Path(__file__).resolve().parents[1] / "src" / "neocog" / "data" / "builtin"
VIEWS = 12
VIEW_SIZES = ((160, 160), (160, 120), (120, 160))
LARGEST_CROP = 0.9
LARGEST_TURN = 8.0
BORDER = 3
WHOLE_SIDE = 320
WHOLE = ("astronaut", "camera", "chelsea", "coffee", "coins", "rocket")

PHOTOS = """\
class|scikit_image_file|title|author|licence|source
astronaut|astronaut.png|Eileen Collins, astronaut|NASA|public domain|https://flic.kr/p/r9qvLn
brick|brick.png|Brick wall|CC0Textures|CC0|https://cc0textures.com/view.php?tex=Bricks25
cat|chelsea.png|Chelsea the cat|Stefan van der Walt|CC0|https://scikit-image.org/docs/stable/api/skimage.data.html#skimage.data.chelsea
coffee|coffee.png|Coffee cup at Pikolo Espresso Bar|Rachel Michetti|CC0|https://scikit-image.org/docs/stable/api/skimage.data.html#skimage.data.coffee
coins|coins.png|Greek coins from Pompeii|Brooklyn Museum|no known copyright restrictions|https://www.brooklynmuseum.org/opencollection/archives/image/51611
galaxies|hubble_deep_field.jpg|Hubble eXtreme Deep Field|NASA|public domain|http://hubblesite.org/newscenter/archive/releases/2012/37/image/a/
grass|grass.png|Grass 01|linolafett|CC0|https://www.deviantart.com/linolafett/art/Grass-01-434853879
gravel|gravel.png|Gravel|CC0Textures|CC0|https://cc0textures.com/view.php?tex=Gravel04
photographer|camera.png|Photographer with a camera|Lav Varshney|CC0|https://github.com/scikit-image/scikit-image/issues/3927
retina|retina.jpg|Normal left eye|Mikael Häggström|CC0|https://commons.wikimedia.org/wiki/File:Fundus_photograph_of_normal_left_eye.jpg
rocket|rocket.jpg|DSCOVR on Falcon 9|SpaceX|public domain (released in 2015)|https://www.flickr.com/photos/spacexphotos/16511594820/in/photostream/
tissue|ihc.png|Colonic glands|Center for Microscopy And Molecular Imaging|no known copyright restrictions|https://scikit-image.org/docs/stable/api/skimage.data.html#skimage.data.immunohistochemistry
"""


class Focus(NamedTuple):
    """Where a view's middle may lie, in fractions of the photograph, and the smallest crop's share."""

    left: float
    top: float
    right: float
    bottom: float
    smallest_crop: float


ANYWHERE = Focus(0.0, 0.0, 1.0, 1.0, 0.45)
FOCUS = {
    "astronaut": Focus(0.40, 0.25, 0.50, 0.35, 0.65),
    "camera": Focus(0.42, 0.25, 0.52, 0.45, 0.6),
    "chelsea": Focus(0.45, 0.40, 0.60, 0.50, 0.75),
    "coffee": Focus(0.42, 0.35, 0.52, 0.55, 0.6),
    "retina": Focus(0.30, 0.30, 0.70, 0.70, 0.5),
    "rocket": Focus(0.44, 0.50, 0.56, 0.65, 0.7),
}


def cut_view(photo: Image.Image, focus: Focus, rng: np.random.Generator) -> Image.Image:
    """Cut one turned rectangle that lies wholly inside the photograph, and bring it to a view's size."""
    size = VIEW_SIZES[rng.integers(len(VIEW_SIZES))]
    crop_side = rng.uniform(focus.smallest_crop, LARGEST_CROP) * min(photo.size)
    crop = np.array(size) * crop_side / max(size)
    degrees = rng.uniform(-LARGEST_TURN, LARGEST_TURN)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(abs(degrees)))
    wide, high = crop + 2 * BORDER
    around = np.array([wide * cosine + high * sine, wide * sine + high * cosine])
    shrink = min(1.0, *(np.array(photo.size) / around))
    crop, around = crop * shrink, (around * shrink).astype(int)
    middle = rng.uniform(focus[:2], focus[2:4]) * photo.size
    corner = np.clip(middle - around / 2, 0, np.array(photo.size) - around).astype(int)
    turned = photo.crop((*corner, *(corner + around))).rotate(degrees, Image.Resampling.BICUBIC)
    margin = ((np.array(turned.size) - crop) / 2).round().astype(int)
    view = turned.crop((*margin, *(np.array(turned.size) - margin))).resize(size, Image.Resampling.LANCZOS)
    view = ImageEnhance.Brightness(view).enhance(rng.uniform(0.8, 1.2))
    return ImageOps.mirror(view) if rng.random() < 0.5 else view


def write_photo(row: dict[str, str], output: Path) -> str:
    """Write the views of one photograph, and the whole of it where wanted; say what was done."""
    name = Path(row["scikit_image_file"]).stem
    photo = Image.fromarray(np.asarray(Image.open(str(files("skimage.data") / row["scikit_image_file"]))))
    rng = np.random.default_rng(list(name.encode()))
    folder = output / "photos" / row["class"]
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, VIEWS + 1):
        view = cut_view(photo, FOCUS.get(name, ANYWHERE), rng)
        view.save(folder / f"{name}-{number:02d}.jpg", quality=85, optimize=True)
    done = f"{VIEWS} views: cropped, turned, scaled, brightness changed, some mirrored"
    if name not in WHOLE:
        return done
    whole = ImageOps.contain(photo, (WHOLE_SIDE, WHOLE_SIDE), Image.Resampling.LANCZOS)
    whole.save(output / "whole" / f"{name}.jpg", quality=88, optimize=True)
    return f"{done}; whole: scaled"


def main() -> None:
    """Write photos/, whole/ and sources.csv into the output folder."""
    parser = argparse.ArgumentParser(description="Make the photographs that the package carries.")
    parser.add_argument("--output", type=Path, default=BUILTIN, help="folder for photos, whole, sources.csv")
    output: Path = parser.parse_args().output
    (output / "whole").mkdir(parents=True, exist_ok=True)
    rows = [
        {"name": Path(row["scikit_image_file"]).stem, **row, "changes": write_photo(row, output)}
        for row in csv.DictReader(PHOTOS.splitlines(), delimiter="|")
    ]
    with (output / "sources.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
