"""Local copies of well-known data sets, one file each: recognised by their layout, read with all they say."""

from neocog.data.sources.layouts import (
    caltech101,
    cub200,
    flowers102,
    ilsvrc,
    office31,
    pets,
    sun397,
    synsets,
)

LAYOUTS = (ilsvrc, caltech101, cub200, flowers102, office31, pets, sun397, synsets)
