"""Delta and vega against finite differences, where volatility is random and correlated."""

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.pricing import greeks
from engine.pricing.kernel import STATE_ROWS, VALUE, X
from engine.pricing.mathfn import f32
from engine.pricing.pricer import Request
from engine.pricing.randoms import LANES
from engine.pricing.tangents import BY_SPOT, BY_VOL, CHANGE, MOVED, TANGENT_ROWS, WEIGHT
from engine.pricing.warrant import deltavega, pvonly
from tests.engine.pricing.reference import TYPICAL, Terms, batch_of

RUNS, PATHS, BUMP = 40, 20_000, 5e-3

WILD = {"maturity": 1.0, "steps": 8, "vol": 0.15, "drift": 0.02}


@pytest.mark.pain("older-azfinsim-unrelated-random-numbers")
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


_fill_derivatives, _fill_controls = greeks._fill_derivatives, greeks._fill_controls

TERMS, SCALES = (0.1, 0.0, -0.005, 0.1, 1.0), (1.0, 1.0, 1.0)


@numba.njit(error_model="numpy")
def fill(state: NDArray[np.float64], tangents: NDArray[np.float32]) -> None:
    _fill_derivatives(state, tangents, SCALES)
    _fill_controls(state, tangents, 4, True, TERMS, 1.0, SCALES)


@pytest.mark.parametrize("tangent", [BY_SPOT, BY_VOL])
@pytest.mark.parametrize("part", [CHANGE, MOVED, WEIGHT])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_path_whose_tangent_overflows_tells_nothing(
    tangent: int, part: int, value: float
) -> None:
    """Where single precision ends; its neighbours tell what they told. Half a million trades at the
    limits of what can be asked for did not come so far, so the kernel's piece is called itself."""

    def derivatives(overflows: bool) -> NDArray[np.float64]:
        state = np.zeros((STATE_ROWS + 4) * LANES)
        state[X : X + LANES], state[VALUE : VALUE + LANES] = 0.1, 0.5
        tangents = np.full(TANGENT_ROWS * LANES, 0.25, dtype=f32)
        if overflows:
            tangents[tangent + part + 1] = value
        fill(state, tangents)
        return state[STATE_ROWS * LANES :].reshape(4, LANES)

    sound, found = derivatives(overflows=False), derivatives(overflows=True)
    assert np.isfinite(found).all()
    assert (found[:, 1] != sound[:, 1]).any()
    assert set(found[:, 1][found[:, 1] != sound[:, 1]]) == {0.0}
    others = np.arange(LANES) != 1
    assert (found[:, others] == sound[:, others]).all()
