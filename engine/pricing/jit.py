"""How our numeric code is compiled: to the same bits on every processor, once, without the GIL.

``error_model="numpy"`` makes a division by zero a NaN or an infinity: Python's own rule would put a
branch into every loop, and LLVM would not vectorize it. There is no ``fastmath`` anywhere: LLVM may
then neither reorder sums nor fuse a product and a sum into one rounding on its own, so the bits do
not depend on the width of the processor's vectors or on what instructions it has. Where fusing
pays, we say so: ``fma``.

Kernels are compiled at their first call and kept on disk: in ``NUMBA_CACHE_DIR`` if it is set, else
beside the source, else in the user's cache directory. Where none of them can be written they work
all the same, and every process compiles anew, which takes some seconds.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
from llvmlite import binding  # type: ignore[import-untyped]  # It ships no types.
from numba.core import config, types
from numba.extending import intrinsic, register_jitable

F = TypeVar("F", bound=Callable[..., Any])
Real = TypeVar("Real", float, np.float32)

_PIECE: Mapping[str, Any] = {
    "error_model": "numpy",
    "forceinline": True,
    # What Python and C would need to call it takes longer to compile than it does itself.
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}


def inlined(function: F) -> F:
    """Compile a piece of a kernel, to be put into each place that calls it.

    Called from Python it stays what it is, a Python function.
    """
    return register_jitable(**_PIECE)(function)


def compiled(function: F) -> F:
    """Compile a kernel at its first call, for threads that run while others hold the GIL."""
    # Numba names the cache's files by this name, and looks at the kernel's own file alone to see
    # whether they are out of date.
    function.__qualname__ += f"-{_origin()}"
    compile_ = numba.njit(error_model="numpy", nogil=True, cache=True)
    try:
        return cast(F, compile_(function))
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        return cast(F, numba.njit(error_model="numpy", nogil=True)(function))


def _origin() -> str:
    """What a kernel's machine code was made from and for: all our numeric code, this processor.

    By processor, because two kinds that share a cache directory could otherwise, at a bad moment,
    leave one's code under the other's name.
    """
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(here.glob("*.py")):
        digest.update(path.read_bytes())
    # Numba sets its options in a way that mypy does not see.
    name = config.CPU_NAME  # type: ignore[attr-defined]
    features = config.CPU_FEATURES  # type: ignore[attr-defined]
    target = (
        name or binding.get_host_cpu_name(),
        features or binding.get_host_cpu_features().flatten(),
    )
    digest.update(repr(target).encode())
    return digest.hexdigest()[:12]


def _reinterpreting(source: types.Type, target: types.Type) -> Any:
    """Make a function that takes the bits of a ``source`` for a ``target`` of the same size.

    As ``ndarray.view``, but of a scalar in a register.
    """

    def typed(_typing: Any, value: types.Type) -> Any:
        if value != source:
            return None

        def emit(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.bitcast(arguments[0], context.get_value_type(target))

        return target(source), emit

    return intrinsic(typed)


float32_bits: Callable[[np.float32], np.uint32] = _reinterpreting(types.float32, types.uint32)
float32_of: Callable[[np.uint32], np.float32] = _reinterpreting(types.uint32, types.float32)
float64_bits: Callable[[float], np.uint64] = _reinterpreting(types.float64, types.uint64)
float64_of: Callable[[np.uint64], float] = _reinterpreting(types.uint64, types.float64)


def _fused(_typing: Any, x: types.Type, y: types.Type, z: types.Type) -> Any:
    if not (x == y == z and x in (types.float32, types.float64)):
        return None

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return x(x, y, z), emit


fma: Callable[[Real, Real, Real], Real] = cast(Any, intrinsic(_fused))
"""x * y + z in one rounding, of three floats of the same width.

IEEE 754 defines its every bit. Where the processor has no such instruction, LLVM calls the C
library's function, which is slow but has to give the same.
"""
