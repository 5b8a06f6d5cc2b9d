"""Compiling the kernels ahead of time, so that nobody waits for it.

``python -m engine.pricing.warm`` fills the cache that ``NUMBA_CACHE_DIR`` says. Machine code is for
one kind of processor; an image is built on one and runs on others. So in an image set
``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES`` to what all of them have, for the build and for what
runs alike. Figures are the same to the last bit.

    ENV NUMBA_CACHE_DIR=/var/cache/azfinsim NUMBA_CPU_NAME=haswell \\
        NUMBA_CPU_FEATURES=+avx,+avx2,+fma,+bmi,+bmi2
    RUN python -m engine.pricing.warm

Processes that start together with an empty cache each compile, and write the same files, each in
one step: nothing waits, and nothing is half written.
"""

import numpy as np

from engine.pricing.european import pricer as european
from engine.pricing.pricer import Batch, Request
from engine.pricing.warrant import deltavega, pvonly

_TERMS = {
    "spot": 1.1,
    "strike": 1.0,
    "drift": 0.0,
    "vol": 0.1,
    "vol_of_vol": 0.1,
    "rho": 0.0,
    "domestic_rate": 0.0,
    "foreign_rate": 0.0,
    "option_type": "call",
    "maturity": 1.0,
    "steps": 1,
    "warrants": 1,
    "notional": 1.0,
}


def warm() -> None:
    """Price one path of one trade with each of the pricers that are compiled."""
    columns = {name: np.array([value]) for name, value in _TERMS.items()}
    batch = Batch(np.zeros(1, np.int64), columns)
    for pricer in (pvonly, deltavega, european):
        pricer.price(batch, Request(paths=1))


if __name__ == "__main__":
    warm()
