"""Compiling the kernels for both kinds of processor that the image holds them for.

``python -m infra.image.warm on-this-cpu`` fills the cache that ``NUMBA_CACHE_DIR`` says.

What builds the image has AVX2, and may lack AVX-512. So the kernels are
run once for x86-64-v3, which shows the types that they are called with, and for x86-64-v4 they are
compiled for those types and not run.
"""

import os
import pickle
import subprocess
import sys
from typing import Any

from numba.core.dispatcher import Dispatcher

from engine.pricing import warm

Signatures = dict[str, list[Any]]
"""Of each kernel by module and name: the types that it is called with."""


def kernels() -> dict[str, Any]:
    """All that is compiled, by module and name."""
    return {
        f"{module_name}.{name}": value
        for module_name, module in sorted(sys.modules.items())
        if module_name.startswith("engine.pricing")
        for name, value in vars(module).items()
        if isinstance(value, Dispatcher)
    }


def main(tool: str) -> None:
    """Fill the cache for both."""
    types = _process(tool, "x86-64-v3", "run")
    _process(tool, "x86-64-v4", "compile", types)


def _process(tool: str, cpu: str, stage: str, given: bytes = b"") -> bytes:
    # Numba knows one kind of processor a process.
    return subprocess.run(
        [tool, sys.executable, "-m", "infra.image.warm", stage],
        env={**os.environ, "AZFINSIM_CPU": cpu},
        input=given,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout


def run() -> None:
    """Run all kernels, and print the types that they were called with."""
    warm.warm()
    sys.stdout.buffer.write(
        pickle.dumps({name: kernel.signatures for name, kernel in kernels().items()})
    )


def compile_() -> None:
    """Compile all kernels for the types that are given."""
    # From `run` above, another process of ours.
    told: Signatures = pickle.loads(sys.stdin.buffer.read())  # noqa: S301
    for name, kernel in kernels().items():
        for signature in told[name]:
            kernel.compile(signature)


if __name__ == "__main__":
    stages = {"run": run, "compile": compile_}
    stages[sys.argv[1]]() if sys.argv[1] in stages else main(sys.argv[1])
