"""Places typed from the papers' words, on the pictures that they and torchvision's documentation speak of."""

from hypothesis import given
from hypothesis import strategies as st

from neocog.data.views.crops import Box, five, grid, middle, squares

INPUT = (224, 224)
SIDES = st.integers(1, 300)


def test_five_crops_of_alexnets_square_lie_in_the_corners_and_16_pixels_in() -> None:
    """256 x 256 and crops of 224 (Krizhevsky et al. 2012, section 4.1)."""
    places = [(0, 0), (0, 32), (32, 0), (32, 32), (16, 16)]
    assert five((256, 256), (256, 256), INPUT) == [Box(*place, 224, 224) for place in places]


def test_the_crops_of_a_wide_picture_reach_its_ends() -> None:
    """500 x 375 becomes 341 x 256 in torchvision's Resize(256)."""
    places = [(0, 0), (0, 117), (32, 0), (32, 117), (16, 58)]  # 58.5 goes to the even neighbour
    assert five((256, 341), (256, 256), INPUT) == [Box(*place, 224, 224) for place in places]


def test_vggs_grid_is_regular() -> None:
    """512 x 384, 5 x 5 places (Simonyan and Zisserman 2015, section 3.2)."""
    expected = [Box(top, left, 224, 224) for top in (0, 40, 80, 120, 160) for left in (0, 72, 144, 216, 288)]
    assert grid((384, 512), (384, 384), INPUT) == expected


def test_googlenets_squares_lie_left_in_the_middle_and_right() -> None:
    """384 x 288: squares of 288, of each the corners, the middle and all (Szegedy et al. 2015, section 7)."""
    expected = []
    for left in (0, 48, 96):
        for top, right in ((0, 0), (0, 64), (64, 0), (64, 64), (32, 32)):
            expected.append(Box(top, left + right, 224, 224))
        expected.append(Box(0, left, 288, 288))
    assert squares((288, 384), (288, 288), INPUT) == expected


def test_an_upright_picture_has_googlenets_squares_on_top_in_the_middle_and_below() -> None:
    wholes = [box for box in squares((384, 288), (288, 288), INPUT) if box.height == 288]
    assert wholes == [Box(0, 0, 288, 288), Box(48, 0, 288, 288), Box(96, 0, 288, 288)]


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES), st.integers(0, 300), st.booleans())
def test_all_boxes_lie_inside_and_the_outermost_touch_every_border(
    crop: tuple[int, int], room: tuple[int, int], length: int, wide: bool
) -> None:
    edges = (crop[0] + room[0] - 1, crop[1] + room[1] - 1)
    picture = (edges[0], edges[1] + length) if wide else (edges[0] + length, edges[1])
    for places in (five, grid, squares):
        boxes = places(picture, edges, crop)
        assert (min(box.top for box in boxes), min(box.left for box in boxes)) == (0, 0)
        assert max(box.top + box.height for box in boxes) == picture[0]
        assert max(box.left + box.width for box in boxes) == picture[1]
        assert {(box.height, box.width) for box in boxes} <= {crop, edges}
    one = middle(picture, crop)
    assert abs(2 * one.top - (picture[0] - crop[0])) <= 1
    assert abs(2 * one.left - (picture[1] - crop[1])) <= 1
