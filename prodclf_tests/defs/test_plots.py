import base64
import struct

import numpy as np
import pytest

from prodclf_assets.defs import plots


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_every_plot_is_a_small_png() -> None:
    labels = [f"Home & kitchen > Cookware > A rather long leaf name {number}" for number in range(20)]
    drawn = [
        plots.class_distribution({str(number): 1_000 // number for number in range(1, 200)}),
        plots.reliability([0.2, 0.6, 0.9], [0.1, 0.7, 0.95], [5, 40, 900]),
        plots.coverage_at_precision([0.1, 0.5, 1.0], [1.0, 0.97, 0.9], 0.95),
        plots.feature_importance({f"feature {number}": 1 / (number + 1) for number in range(20)}),
        plots.confusion_matrix(labels, (np.eye(20, dtype=int) * 9).tolist()),
    ]
    for png in drawn:
        width, height = size_of(png)
        assert 200 < width < 900
        assert 100 < height < 900
        assert len(png) < 100_000


@pytest.mark.parametrize(
    "png",
    [
        lambda: plots.class_distribution({"only": 1}),
        lambda: plots.reliability([0.5], [0.0], [1]),
        lambda: plots.coverage_at_precision([1.0], [0.0], 0.95),
        lambda: plots.feature_importance({}),
        lambda: plots.confusion_matrix(["only"], [[0]]),
    ],
)
def test_the_smallest_inputs_are_drawn_too(png: object) -> None:
    assert callable(png)
    size_of(png())


def test_inline_images_carry_the_bytes() -> None:
    shown = plots.inline(b"\x89PNG", "a title").value
    assert shown == f"![a title](data:image/png;base64,{base64.b64encode(bytes([0x89]) + b'PNG').decode()})"
