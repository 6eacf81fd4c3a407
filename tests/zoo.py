"""Odd pictures, good ones and bad ones, such as people's folders hold. Made by Pillow and by hand, not by neocog."""

import io
import zlib
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
ORIENTATIONS = range(1, 9)


def scene(height: int = 64, width: int = 96) -> Pixels:
    """Red, green, blue and yellow quarters over a slope of brightness: every turn of it looks different."""
    quarters = np.array([[[220, 40, 40], [40, 200, 40]], [[40, 40, 220], [210, 200, 40]]], float)
    colour = quarters.repeat(height // 2, 0).repeat(width // 2, 1)
    slope = np.linspace(0.7, 1.0, height)[:, None, None]
    return (colour * slope).astype(np.uint8)


def grey_scene() -> Pixels:
    return scene().mean(axis=2).astype(np.uint8)


def alpha() -> Pixels:
    """Transparent on the left, half in the middle, opaque on the right."""
    return np.tile(np.array([0, 128, 255], np.uint8).repeat(32), (64, 1))


def levels16() -> NDArray[np.uint16]:
    """Sixteen bits a pixel, from black to white in steps that 8 bits cannot tell."""
    return np.linspace(0, 65_535, 64 * 96).round().astype(np.uint16).reshape(64, 96)


def held(pixels: Pixels, orientation: int) -> Pixels:
    """What a camera held that way writes, so that a viewer which obeys the EXIF tag shows `pixels`."""
    stored = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: np.rot90(pixels, 1),
        7: pixels[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(pixels, -1),
    }
    return np.ascontiguousarray(stored[orientation])


def exif(orientation: int, order: str) -> bytes:
    """An EXIF block of two tags, the camera's maker and the orientation; `order` is struct's < or >."""
    start = (b"II*\0" if order == "<" else b"MM\0*") + pack(order + "I", 8)
    maker = pack(order + "HHI4s", 0x010F, 2, 4, b"Cam\0")
    turn = pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + start + pack(order + "H", 2) + maker + turn + pack(order + "I", 0)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def jpeg(pixels: Pixels, **options: Any) -> bytes:
    return encoded(Image.fromarray(pixels), "JPEG", **{"quality": 95, "subsampling": 0, **options})


def turned_jpegs() -> dict[str, bytes]:
    return {
        f"exif-{n}-{name}.jpg": jpeg(held(scene(), n), exif=exif(n, order))
        for n in ORIENTATIONS
        for name, order in (("little", "<"), ("big", ">"))
    }


def good() -> dict[str, bytes]:
    """File name -> content, for each odd but sound picture."""
    rgb, grey = Image.fromarray(scene()), Image.fromarray(grey_scene())
    rgba, la = rgb.copy(), grey.convert("LA")
    for image in (rgba, la):
        image.putalpha(Image.fromarray(alpha()))
    palette = rgb.quantize(8)
    turned = Image.fromarray(held(scene(), 6))
    wide, high = Image.fromarray(scene(4, 900)), Image.fromarray(scene(900, 4))
    return {
        **turned_jpegs(),
        "grey.jpg": jpeg(grey_scene()),
        "cmyk.jpg": encoded(rgb.convert("CMYK"), "JPEG", quality=95),
        "progressive.jpg": jpeg(scene(), progressive=True),
        "chroma-420.jpg": jpeg(scene(), subsampling=2),
        "sixteen-bit.png": encoded(Image.fromarray(levels16()), "PNG"),
        "sixteen-bit.tif": encoded(Image.fromarray(levels16()), "TIFF"),
        "palette-transparent.png": encoded(palette, "PNG", transparency=palette.getpixel((0, 0))),
        "rgb-transparent.png": encoded(rgb, "PNG", transparency=rgb.getpixel((0, 0))),
        "grey-transparent.png": encoded(grey, "PNG", transparency=grey.getpixel((0, 0))),
        "rgba.png": encoded(rgba, "PNG"),
        "la.png": encoded(la, "PNG"),
        "sixteen-bit-colour.png": png16(scene()),
        "one-bit.png": encoded(grey.convert("1"), "PNG"),
        "one-bit.tif": encoded(grey.convert("1"), "TIFF", compression="group4"),
        "cmyk.tif": encoded(rgb.convert("CMYK"), "TIFF"),
        "interlaced.gif": encoded(grey, "GIF", interlace=True),
        "wide.png": encoded(wide, "PNG"),
        "high.png": encoded(high, "PNG"),
        "high.jpg": jpeg(scene(900, 4)),
        "exif-6.png": encoded(turned, "PNG", exif=exif(6, ">")[6:]),
        "exif-6.webp": encoded(turned, "WEBP", exif=exif(6, "<"), lossless=True),
        "exif-6.tif": encoded(turned, "TIFF", tiffinfo={0x0112: 6}),
        "animated.gif": encoded(palette, "GIF", save_all=True, append_images=[grey.quantize(8)]),
        "animated.webp": encoded(rgba, "WEBP", lossless=True, save_all=True, append_images=[rgb.rotate(180)]),
        "animated.png": encoded(rgba, "PNG", save_all=True, append_images=[rgba.rotate(180)]),
        "picture.webp": encoded(rgba, "WEBP", lossless=True),
        "picture.avif": encoded(rgba, "AVIF", quality=100, subsampling="4:4:4"),
        "picture.tif": encoded(rgb, "TIFF", compression="tiff_lzw"),
        "picture.bmp": encoded(rgb, "BMP"),
        "picture.ppm": encoded(rgb, "PPM"),
        "one-pixel.png": encoded(rgb.crop((0, 0, 1, 1)), "PNG"),
        "one-pixel.jpg": jpeg(scene()[:1, :1]),
    }


def chunk(kind: bytes, content: bytes) -> bytes:
    """Of a PNG file."""
    return pack(">I", len(content)) + kind + content + pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, bits: int, lines: bytes) -> bytes:
    """An RGB PNG of `bits` a channel; `lines` each begin with the number of their filter."""
    header = chunk(b"IHDR", pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def png16(pixels: Pixels) -> bytes:
    """RGB of 16 bits a channel, which Pillow cannot write: each value as high and low byte."""
    high, wide, _ = pixels.shape
    doubled = pixels.repeat(2, axis=2).reshape(high, -1)
    return png(wide, high, 16, b"".join(b"\0" + line.tobytes() for line in doubled))


def bomb(side: int = 60_000) -> bytes:
    """A PNG of 69 bytes whose header claims `side` x `side` pixels."""
    return png(side, side, 8, b"\0")


def bad() -> dict[str, bytes]:
    """File name -> content, for each file that no picture can be had from."""
    photo, drawing = jpeg(scene(400, 600), quality=98), encoded(Image.fromarray(scene()), "PNG")
    flipped = bytearray(drawing)
    for place in range(len(flipped) // 2, len(flipped) // 2 + 8):
        flipped[place] ^= 0xFF
    return {
        "empty.jpg": b"",
        "cut-30.jpg": photo[: len(photo) * 3 // 10],
        "cut-90.jpg": photo[: len(photo) * 9 // 10],
        "cut-50.png": drawing[: len(drawing) // 2],
        "text.jpg": b"I am a text, whatever my name says.\n",
        "bomb.png": bomb(),
        "flipped.png": bytes(flipped),
    }


def make(folder: Path, pictures: dict[str, bytes]) -> list[Path]:
    """Write the pictures into `folder`; the paths, in the order of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pictures.items():
        (folder / name).write_bytes(content)
    return sorted(folder / name for name in pictures)
