"""European FX options: parity, limits, differences and QuantLib as oracles."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llvmlite import binding  # type: ignore[import-untyped]  # It ships no types.
from numpy.typing import NDArray

from engine.pricing.european import pricer
from engine.pricing.pricer import Batch, Figures, Request
from engine.trade import EUROPEAN, check

TERMS: dict[str, Any] = {
    "option_type": "call",
    "spot": 1.1,
    "strike": 1.05,
    "vol": 0.12,
    "maturity": 0.75,
    "domestic_rate": 0.03,
    "foreign_rate": 0.01,
    "notional": 1e6,
}


def batch_of(*trades: dict[str, Any]) -> Batch:
    full = [{**TERMS, **trade} for trade in trades]
    columns = {name: [trade[name] for trade in full] for name in EUROPEAN}
    checked = check(columns, EUROPEAN, len(full))
    assert not checked.faults, [str(fault) for fault in checked.faults]
    return Batch(np.arange(len(full)), checked.columns)


def price(*trades: dict[str, Any]) -> Figures:
    figures = pricer.price(batch_of(*trades), Request())
    assert list(figures) == ["pv", "delta", "vega"]
    return figures


def one(**terms: Any) -> dict[str, float]:
    return {name: float(column[0]) for name, column in price(terms).items()}


def many(count: int = 1000) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(5)
    return {
        "option_type": np.array(["call", "put"], dtype=object)[random.integers(0, 2, count)],
        "spot": random.uniform(0.5, 2.0, count),
        "strike": random.uniform(0.5, 2.0, count),
        "vol": random.uniform(0.01, 0.6, count),
        "maturity": random.uniform(0.001, 5.0, count),
        "domestic_rate": random.uniform(-0.05, 0.15, count),
        "foreign_rate": random.uniform(-0.05, 0.15, count),
        "notional": random.uniform(0.0, 1e7, count),
    }


def of(terms: dict[str, NDArray[Any]]) -> Figures:
    return pricer.price(Batch(np.arange(len(terms["spot"])), terms), Request())


def test_it_agrees_with_quantlib() -> None:
    ql = pytest.importorskip("QuantLib", reason="QuantLib is not installed")
    terms = many()
    figures = of(terms)
    for row in range(len(terms["spot"])):
        t = {name: column[row] for name, column in terms.items()}
        kind = ql.Option.Call if t["option_type"] == "call" else ql.Option.Put
        forward = t["spot"] * math.exp((t["domestic_rate"] - t["foreign_rate"]) * t["maturity"])
        black = ql.BlackCalculator(
            ql.PlainVanillaPayoff(kind, t["strike"]),
            forward,
            t["vol"] * math.sqrt(t["maturity"]),
            math.exp(-t["domestic_rate"] * t["maturity"]),
        )
        scale = 1e-13 * t["notional"]
        assert figures["pv"][row] == pytest.approx(black.value() * t["notional"], 1e-12, scale)
        delta, vega = black.delta(t["spot"]), black.vega(t["maturity"])
        assert figures["delta"][row] == pytest.approx(delta * t["notional"], 1e-12, scale)
        assert figures["vega"][row] == pytest.approx(vega * t["notional"], 1e-11, scale)


def test_a_call_less_a_put_is_a_forward() -> None:
    terms = many()
    kinds = ("call", "put")
    call, put = (of({**terms, "option_type": np.full(1000, k, dtype=object)}) for k in kinds)
    foreign = np.exp(-terms["foreign_rate"] * terms["maturity"])
    domestic = np.exp(-terms["domestic_rate"] * terms["maturity"])
    forward = terms["notional"] * (terms["spot"] * foreign - terms["strike"] * domestic)
    unit = terms["notional"]
    assert np.allclose((call["pv"] - put["pv"] - forward) / unit, 0, atol=1e-14)
    assert np.allclose((call["delta"] - put["delta"]) / unit, foreign, rtol=1e-14)
    assert (call["vega"] == put["vega"]).all()


def test_a_call_is_a_put_in_the_other_currency() -> None:
    """Its price in domestic currency: K puts on 1/S struck at 1/K, in foreign currency, times S."""
    terms = many()
    call = of({**terms, "option_type": np.full(1000, "call", dtype=object)})
    swapped = {
        **terms,
        "option_type": np.full(1000, "put", dtype=object),
        "spot": 1 / terms["spot"],
        "strike": 1 / terms["strike"],
        "domestic_rate": terms["foreign_rate"],
        "foreign_rate": terms["domestic_rate"],
        "notional": terms["notional"] * terms["strike"] * terms["spot"],
    }
    assert np.allclose(call["pv"], of(swapped)["pv"], rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize(("figure", "term"), [("delta", "spot"), ("vega", "vol")])
def test_greeks_are_the_slopes_of_the_price(figure: str, term: str) -> None:
    terms = many()
    h = 1e-5 * terms[term]
    above, below = of({**terms, term: terms[term] + h}), of({**terms, term: terms[term] - h})
    slope = (above["pv"] - below["pv"]) / (2 * h)
    assert np.allclose(of(terms)[figure] / terms["notional"], slope / terms["notional"], atol=2e-6)


@pytest.mark.parametrize("option_type", ["call", "put"])
@pytest.mark.parametrize("spot", [0.9, 1.3])
@pytest.mark.parametrize("still", [{"vol": 0.0}, {"vol": 1e-9}, {"vol": 5e-324}])
def test_without_movement_it_is_worth_what_the_forward_says(
    option_type: str, spot: float, still: dict[str, float]
) -> None:
    found = one(option_type=option_type, spot=spot, **still)
    phi = 1 if option_type == "call" else -1
    domestic, foreign = math.exp(-0.03 * 0.75), math.exp(-0.01 * 0.75)
    value = phi * (spot * foreign - 1.05 * domestic)
    assert found["pv"] == pytest.approx(1e6 * max(value, 0.0), rel=1e-14, abs=0)
    assert found["delta"] == pytest.approx(1e6 * phi * foreign * (value > 0), rel=1e-14, abs=0)
    assert found["vega"] == 0.0


@pytest.mark.parametrize(("option_type", "value"), [("call", 5e4), ("put", 0.0)])
@pytest.mark.parametrize("maturity", [0.0, 1e-300, 1e-12])
def test_at_its_end_it_is_worth_what_it_pays(
    option_type: str, value: float, maturity: float
) -> None:
    found = one(option_type=option_type, maturity=maturity)
    assert found["pv"] == pytest.approx(value, abs=1e-6)
    assert found["vega"] == 0.0


def test_at_the_forward_without_movement_vega_is_its_limit() -> None:
    found = one(spot=1.0, strike=1.0, domestic_rate=0.02, foreign_rate=0.02, vol=0.0)
    near = one(spot=1.0, strike=1.0, domestic_rate=0.02, foreign_rate=0.02, vol=1e-8)
    assert found["pv"] == 0.0
    assert found["vega"] == pytest.approx(near["vega"], rel=1e-12)
    assert found["delta"] == pytest.approx(near["delta"], rel=1e-7)


def test_far_out_of_the_money_it_has_a_price_and_no_noise() -> None:
    """By the leading terms of the tail's series, which is good to 1/d**4 or so there."""
    found = one(spot=0.5, vol=0.1, maturity=0.5, domestic_rate=0.0, foreign_rate=0.0)
    stdev = 0.1 * math.sqrt(0.5)
    d1 = math.log(0.5 / 1.05) / stdev + stdev / 2
    d2 = d1 - stdev
    height = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)

    def mills(x: float) -> float:
        return (1 - 1 / x**2 + 3 / x**4 - 15 / x**6 + 105 / x**8) / x

    assert found["pv"] == pytest.approx(1e6 * 0.5 * height * (mills(-d1) - mills(-d2)), rel=1e-4)
    assert 0 < found["pv"] < 1e-15
    assert one(spot=0.01, vol=0.01)["pv"] == 0.0


def test_far_in_the_money_it_is_a_forward() -> None:
    found = one(spot=50.0)
    assert found["pv"] == pytest.approx(
        1e6 * (50 * math.exp(-0.0075) - 1.05 * math.exp(-0.0225)), rel=1e-14
    )
    assert found["delta"] == pytest.approx(1e6 * math.exp(-0.0075), rel=1e-14)


def test_no_price_is_below_zero() -> None:
    terms = many(20_000)
    terms["vol"] *= 0.02
    assert (of(terms)["pv"] >= 0).all()
    # Rounding alone makes this one -7e-18.
    rates = dict.fromkeys(("domestic_rate", "foreign_rate"), -0.04468872103201243)
    still = {"spot": 1.0, "strike": 1 - 2**-53, "vol": 1.0753596708674987e-16, "maturity": 1.0}
    assert one(option_type="put", **still, **rates)["pv"] == 0.0


@pytest.mark.parametrize(
    "terms",
    [
        {"spot": 1e308, "notional": 1e10},
        {"spot": 1e308, "strike": 1e-308},
        {"domestic_rate": -1e5, "option_type": "put"},
        {"domestic_rate": 1e5},
        {"foreign_rate": -1e308},
        {"domestic_rate": 1e308, "foreign_rate": 1e308},
        {"maturity": 1e308},
        {"vol": 1e308, "maturity": 1e308},
    ],
)
def test_terms_too_large_are_a_reason_and_harm_no_neighbour(terms: dict[str, Any]) -> None:
    """G5; and to ask for it is no warning."""
    figures = pricer.price(batch_of({}, terms, {}), Request())
    assert figures["reason"].tolist() == [None, "its terms are too large to be priced", None]
    assert figures["pv"][0] == figures["pv"][2] == one()["pv"]


def test_immense_but_sound_terms_have_a_price() -> None:
    assert one(vol=1e308)["pv"] == pytest.approx(1e6 * 1.1 * math.exp(-0.0075))
    assert one(spot=1e-308)["pv"] == 0.0


def test_bits_do_not_depend_on_the_batch() -> None:
    """G3."""
    terms = many(57)
    whole = of(terms)
    alone = [
        of({name: column[row : row + 1] for name, column in terms.items()}) for row in range(57)
    ]
    for name, column in whole.items():
        assert column.tobytes() == b"".join(figures[name].tobytes() for figures in alone)


PROGRAM = """
import sys
from tests.engine.pricing.test_european import many, of
sys.stdout.write(b"".join(column.tobytes() for column in of(many(200)).values()).hex())
"""


@pytest.mark.parametrize(
    ("processor", "features", "needed"),
    [
        ("x86-64", "+sse2", "sse2"),
        ("skylake-avx512", "+avx,+avx2,+fma,+avx512f,+avx512dq,+avx512bw,+avx512vl", "avx512vl"),
    ],
)
def test_bits_do_not_depend_on_the_processor(
    processor: str, features: str, needed: str, tmp_path: Path
) -> None:
    """G3."""
    if not binding.get_host_cpu_features().get(needed):
        pytest.skip(f"this processor has no {needed}")
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={
            "NUMBA_CACHE_DIR": str(tmp_path),
            "NUMBA_CPU_NAME": processor,
            "NUMBA_CPU_FEATURES": features,
        },
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == b"".join(column.tobytes() for column in of(many(200)).values()).hex()


def test_the_bits_are_those_of_version_1() -> None:
    """Bits changed? Then bump the version: figures of two versions must not be taken for equal."""
    assert pricer.version == "1"
    found = {name: value.hex() for name, value in one().items()}
    assert found == {
        "pv": "0x1.47d9d49b74874p+16",
        "delta": "0x1.66b8b1b67f493p+19",
        "vega": "0x1.2b6363adf71cap+18",
    }
