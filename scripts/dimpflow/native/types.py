"""Types of what compiled functions take: for Numba, and for whoever reads or checks the code."""

from typing import Any, TypeAlias

import numpy as np
from numba import types
from numpy.typing import NDArray

U64: TypeAlias = np.uint64
Bytes: TypeAlias = NDArray[np.uint8]
Numbers: TypeAlias = NDArray[np.uint64]
Integers: TypeAlias = NDArray[np.int64]
Frames: TypeAlias = NDArray[np.int64]
"""Two-dimensional."""

BYTES: Any = types.Array(types.uint8, 1, "C", readonly=True)
NUMBERS: Any = types.Array(types.uint64, 1, "C", readonly=True)
INTEGERS: Any = types.Array(types.int64, 1, "C", readonly=True)
WRITABLE_BYTES: Any = types.Array(types.uint8, 1, "C")
WRITABLE_NUMBERS: Any = types.Array(types.uint64, 1, "C")
WRITABLE_INTEGERS: Any = types.Array(types.int64, 1, "C")
WRITABLE_FRAMES: Any = types.Array(types.int64, 2, "C")
