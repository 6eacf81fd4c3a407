"""The crops of the papers, literally: loops over Pillow pictures that are resized already."""

from PIL import Image, ImageOps

Picture = Image.Image


def resized(picture: Picture, side: int, method: Image.Resampling) -> Picture:
    """torchvision's Resize(side): the shorter side, the longer cut to a whole number."""
    width, height = picture.size
    if width <= height:
        return picture.resize((side, int(side * height / width)), method)
    return picture.resize((int(side * width / height), side), method)


def centre(picture: Picture, height: int, width: int) -> Picture:
    """torchvision's CenterCrop."""
    top = int(round((picture.height - height) / 2.0))
    left = int(round((picture.width - width) / 2.0))
    return picture.crop((left, top, left + width, top + height))


def five_crop(picture: Picture, height: int, width: int) -> list[Picture]:
    """As torchvision documents FiveCrop: top left, top right, bottom left, bottom right, centre."""
    w, h = picture.size
    return [
        picture.crop((0, 0, width, height)),
        picture.crop((w - width, 0, w, height)),
        picture.crop((0, h - height, width, h)),
        picture.crop((w - width, h - height, w, h)),
        centre(picture, height, width),
    ]


def ten_crop(picture: Picture, height: int, width: int) -> list[Picture]:
    """As torchvision documents TenCrop: FiveCrop, and FiveCrop of the flipped picture."""
    return five_crop(picture, height, width) + five_crop(ImageOps.mirror(picture), height, width)


def vgg_150(pictures: list[Picture], side: int) -> list[Picture]:
    """Section 3.2: 50 crops per scale, a 5 x 5 regular grid with 2 flips."""
    crops = []
    for picture in pictures:
        for flipped in (picture, ImageOps.mirror(picture)):
            for row in range(5):
                for column in range(5):
                    top = round(row * (flipped.height - side) / 4)
                    left = round(column * (flipped.width - side) / 4)
                    crops.append(flipped.crop((left, top, left + side, top + side)))
    return crops


def googlenet_144(pictures: list[Picture], side: int, method: Image.Resampling) -> list[Picture]:
    """Section 7: left, centre and right square (upright: top, centre, bottom) of each of four sizes; of each square
    the four corners, the centre and the square resized; and the mirrored versions."""
    crops = []
    for picture in pictures:
        for flipped in (picture, ImageOps.mirror(picture)):
            width, height = flipped.size
            short = min(width, height)
            if width >= height:
                ends = [(0, 0, short, short), (width - short, 0, width, short)]
            else:
                ends = [(0, 0, short, short), (0, height - short, short, height)]
            for square in (flipped.crop(ends[0]), centre(flipped, short, short), flipped.crop(ends[1])):
                crops += five_crop(square, side, side)
                crops.append(square.resize((side, side), method))
    return crops
