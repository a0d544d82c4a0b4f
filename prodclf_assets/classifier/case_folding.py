# mypy: allow-untyped-defs
"""Code points of packed texts in lower case (full case folding), for kernels: equal to `str.casefold`.

Folding is a matter of single code points, whatever stands beside them, so a table holds all of it.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from prodclf_assets.classifier.kernels import kernel

FOLDED = 0x1F000
"""Code points from here on are their own lower case."""
MOST_CODES = 3
"""Code points that one may become."""
_SEVERAL = np.uint32(0x80000000)
_STRETCH = 256


@cache
def folding() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """How each code point is folded.

    Returns:
        uint32[FOLDED], what it becomes or, where it becomes several, `_SEVERAL` and a row of the other array;
        uint32[rows, 1 + MOST_CODES], how many it becomes, and which.
    """
    single = np.arange(FOLDED, dtype=np.uint32)
    several: list[list[int]] = []
    for start in range(0, FOLDED, _STRETCH):
        stretch = "".join(map(chr, range(start, start + _STRETCH)))
        if stretch.casefold() == stretch:
            continue
        for code, character in enumerate(stretch, start):
            folded = [ord(each) for each in character.casefold()]
            single[code] = folded[0] if len(folded) == 1 else _SEVERAL | np.uint32(len(several))
            if len(folded) > 1:
                several.append([len(folded), *folded, *[0] * (MOST_CODES - len(folded))])
    return single, np.array(several, np.uint32)


@kernel
def fold(data, start, stop, most, single, several, out, at):
    """Append the folded code points of `data[start:stop]` to `out`, at most `most` before folding.

    Args:
        data: uint8[bytes], UTF-8.
        start, stop: where the text begins and ends.
        most: code points that are read.
        single, several: what `folding` returns.
        out: uint32, with room for 2 code points for each byte.
        at: where to write.

    Returns:
        where the code points end, and how many of `most` are left.
    """
    while start < stop and most > 0:
        code = np.uint32(data[start])
        if code < 0x80:
            start += 1
        elif code < 0xE0:
            code = (code & np.uint32(0x1F)) << np.uint32(6) | np.uint32(data[start + 1] & 0x3F)
            start += 2
        elif code < 0xF0:
            code = (
                (code & np.uint32(0x0F)) << np.uint32(12)
                | np.uint32(data[start + 1] & 0x3F) << np.uint32(6)
                | np.uint32(data[start + 2] & 0x3F)
            )
            start += 3
        else:
            code = (
                (code & np.uint32(0x07)) << np.uint32(18)
                | np.uint32(data[start + 1] & 0x3F) << np.uint32(12)
                | np.uint32(data[start + 2] & 0x3F) << np.uint32(6)
                | np.uint32(data[start + 3] & 0x3F)
            )
            start += 4
        most -= 1
        folded = single[code] if code < len(single) else code
        if folded < _SEVERAL:
            out[at] = folded
            at += 1
        else:
            row = several[folded - _SEVERAL]
            for place in range(row[0]):
                out[at] = row[1 + place]
                at += 1
    return at, most
