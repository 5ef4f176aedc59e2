"""The plot of the capacity page: well-formed, and every point where it belongs."""

from xml.etree import ElementTree

from gateway.lab.bench.plot import Line, line_plot

SVG = "{http://www.w3.org/2000/svg}"


def test_points_stand_in_proportion_and_names_are_escaped() -> None:
    picture = ElementTree.fromstring(line_plot("a < b", "cameras", [Line("CPU & more", [(50, 2.0), (100, 4.0)])]))
    (line,) = picture.iter(f"{SVG}polyline")
    (x1, y1), (x2, y2) = (tuple(map(float, point.split(","))) for point in line.attrib["points"].split())
    corner_x, corner_y = 60, 380 - 50
    assert (x2 - corner_x) == 2 * (x1 - corner_x)
    assert round(corner_y - y2, 1) == round(2 * (corner_y - y1), 1)
    words = [text.text for text in picture.iter(f"{SVG}text")]
    assert "a < b" in words
    assert "● CPU & more" in words


def test_axes_reach_beyond_the_largest_value() -> None:
    picture = ElementTree.fromstring(line_plot("", "", [Line("one", [(2000, 52.0)]), Line("other", [(1000, 7.0)])]))
    assert len(list(picture.iter(f"{SVG}polyline"))) == 2
    words = [text.text for text in picture.iter(f"{SVG}text")]
    assert "2000" in words
    assert "100" in words, "52 is drawn against the next round number"


def test_nothing_measured_is_still_a_picture() -> None:
    ElementTree.fromstring(line_plot("nothing", "cameras", [Line("flat", [(0, 0)])]))
