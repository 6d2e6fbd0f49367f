"""The picture of a sweep."""

import matplotlib.image
import pytest

from qse_hw.study.sweep_picture import draw, labels

NAMES = ["sqnr_db", "comb", "fmax"]


def report(*rows, targets=("here",)):
    points = [
        {
            "name": f"encoder {name}",
            "target": target,
            "front": front,
            "objectives": dict(zip(NAMES, figures, strict=False)),
        }
        for target in targets
        for name, front, *figures in rows
    ]
    return {"targets": {name: {"objectives": NAMES[: len(rows[0]) - 2]} for name in targets}, "points": points}


ROWS = [("a", True, 40.0, 60, 200.0), ("b", True, 30.0, 40, 200.0), ("c", False, 30.0, 50, 150.0)]


def drawn(path, document):
    draw(path, document)
    return matplotlib.image.imread(path)[..., :3]


def test_a_picture(tmp_path):
    first = drawn(tmp_path / "p.png", report(*ROWS))
    assert first.shape[0] > 300
    assert first.shape[1] > 1200  # two pairs and the names
    assert (first == drawn(tmp_path / "p.png", report(*ROWS))).all()
    for other in (
        report(*ROWS[:2]),
        report(*ROWS[:2], ("c", False, 30.0, 55, 150.0)),
        report(*ROWS[:2], ("c", True, 30.0, 50, 150.0)),
        report(*ROWS[:1], ("d", *ROWS[1][1:]), ROWS[2]),
    ):
        picture = drawn(tmp_path / "p.png", other)
        assert picture.shape != first.shape or (picture != first).any()


def test_shapes(tmp_path):
    """A row per target; one objective, a point without loss and a target without points are drawn as well."""
    one = drawn(tmp_path / "p.png", report(*ROWS))
    two = drawn(tmp_path / "p.png", report(*ROWS, targets=("here", "there")))
    assert two.shape[0] == 2 * one.shape[0]
    drawn(tmp_path / "p.png", report(("a", True, 40.0), ("b", False, 30.0)))
    lossless = report(("a", True, None, 60, 200.0), *ROWS[1:])
    lossless["targets"]["nowhere"] = {"objectives": []}
    assert drawn(tmp_path / "p.png", lossless).shape[0] == one.shape[0]


def test_points_in_one_place_share_a_label():
    points = report(ROWS[0], ("b", True, *ROWS[0][2:]), ("c", True, 41.0, 70, 200.0), ROWS[2])["points"]
    assert labels(points, "comb", "sqnr_db") == {(60, 40.0): "2,3", (70, 41.0): "1"}


@pytest.mark.parametrize("count", [40])
def test_a_long_list_fits(tmp_path, count):
    rows = [(str(n), True, float(n), n, 1.0) for n in range(count)]
    pixels = drawn(tmp_path / "p.png", report(*rows))
    assert (pixels[-6:] > 0.99).all()  # nothing is cut off below
