"""Delta and vega against finite differences, where volatility is random and correlated."""

import numpy as np
import pytest

from engine.pricing.pricer import Request
from engine.pricing.warrant import deltavega, pvonly
from tests.engine.pricing.reference import TYPICAL, Terms, batch_of

RUNS, PATHS, BUMP = 40, 20_000, 5e-3

WILD = {"maturity": 1.0, "steps": 8, "vol": 0.15, "drift": 0.02}


@pytest.mark.parametrize("spot", [0.825, 0.87])
@pytest.mark.parametrize(
    "terms",
    [
        {**WILD, "vol_of_vol": 0.2, "rho": 0.0},
        {**WILD, "vol_of_vol": 0.2, "rho": -0.7},
        {**WILD, "vol_of_vol": 0.2, "rho": 1.0},
        {**WILD, "vol_of_vol": 0.2, "rho": -1.0},
        {**WILD, "vol_of_vol": 1.0, "rho": 0.6},
        {**WILD, "vol_of_vol": 1.0, "rho": -0.97},
        {**WILD, "vol_of_vol": 0.8, "rho": -1.0},
        {**WILD, "vol_of_vol": 0.8, "rho": 1.0, "steps": 2},
    ],
    ids=str,
)
def test_greeks_are_the_derivatives_of_the_pv(terms: Terms, spot: float) -> None:
    terms = {**TYPICAL, **terms, "spot": spot}
    request = Request(paths=PATHS)
    figures = deltavega.price(batch_of(*[terms] * RUNS), request)
    for name, field in (("delta", "spot"), ("vega", "vol")):
        # The same normals up and down; the bias of the difference is of order BUMP squared.
        up, down = (
            pvonly.price(batch_of(*[{**terms, field: terms[field] * factor}] * RUNS), request)["pv"]
            for factor in (1 + BUMP, 1 - BUMP)
        )
        difference = (up - down) / (2 * BUMP * terms[field]) - figures[name]
        error = difference.std(ddof=1) / np.sqrt(RUNS)
        assert abs(difference.mean()) < 4 * error, name
        # And the standard errors are those of the runs.
        spread = figures[name].std(ddof=1) / np.sqrt((figures[f"{name}_se"] ** 2).mean())
        assert 0.6 < spread < 1.5, name


def test_standard_errors_are_small_beside_the_greeks() -> None:
    figures = deltavega.price(
        batch_of({"spot": 0.9}, {"spot": 0.825}), Request(seed=2, paths=10_000)
    )
    assert (figures["delta_se"] / figures["delta"] < [0.003, 0.04]).all()
