"""Pages read back as a browser would find them, and what goes into them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from html.parser import HTMLParser

import numpy as np
from PIL import Image

VOID = {"meta", "img", "br", "link", "input", "hr"}
INLINE = {"b", "bdi", "i", "small", "span"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    def text(self) -> str:
        return " ".join("".join(self._words()).split())

    def _words(self) -> Iterator[str]:
        gap = "" if self.tag in INLINE else " "
        yield gap
        for child in self.children:
            yield from [child] if isinstance(child, str) else child._words()
        yield gap

    def walk(self) -> Iterator[Element]:
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def all(self, tag: str, css: str = "") -> list[Element]:
        return [e for e in self.walk() if e.tag == tag and css in f" {e.attributes.get('class', '')} "]


class Page(HTMLParser):
    """A strict reader: every element is closed, in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("root", {})
        self.open = [self.root]
        self.feed(html)
        self.close()
        assert self.open == [self.root], f"left open: {[e.tag for e in self.open[1:]]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in <{tag}>"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def section(root: Element, title: str) -> Element:
    return next(s for s in root.all("section") if s.all("h2")[0].text() == title)


def rows(table: Element) -> list[list[str]]:
    return [
        [cell.text() for cell in row.walk() if cell.tag in ("th", "td")]
        for row in table.all("tbody")[0].all("tr")
    ]


def definitions(root: Element) -> dict[str, str]:
    return dict(zip([e.text() for e in root.all("dt")], [e.text() for e in root.all("dd")], strict=True))


def pixels(image: Element) -> np.ndarray:
    kind, code = image.attributes["src"].removeprefix("data:image/").split(";base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(code, validate=True)))
    assert picture.format == kind.upper()
    return np.asarray(picture)


def noise(seed: int, height: int = 12, width: int = 9, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def with_text(value: object, text: str) -> object:
    """`value`, and everything in it, with every string replaced."""
    if isinstance(value, str):
        return text
    if isinstance(value, tuple):
        return tuple(with_text(item, text) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{f.name: with_text(getattr(value, f.name), text) for f in fields(value)})
    return value
