"""The code in the documents runs as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest

from engine.contract import assert_pricer

ROOT = Path(__file__).parents[2]
TRADES = [{"id": 17, "spot": 0.85, "strike": 0.74}, {"id": 18, "spot": 0.85, "strike": 1.0}]


def blocks(document: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(), re.S | re.M)


def ran(code: str, **names: Any) -> dict[str, Any]:
    exec(code, names)
    return names


def test_the_pricers_of_the_page_about_pricers() -> None:
    per_trade, columns, test = blocks("docs/pricers.md")
    names = ran(per_trade)
    refused = {"id": 19, "spot": 0.85, "strike": 3.0}
    one, two, three = assert_pricer(names["pricer"], [*TRADES, refused])
    assert one["pv"] == pytest.approx(0.11)
    assert one["moneyness"] == pytest.approx(0.85 / 0.74)
    assert two["pv"] == 0.0
    assert three["reason"] == "ValueError: no volatility that far out"
    names = ran(columns, Term=names["Term"], Kind=names["Kind"])
    assert assert_pricer(names["pricer"], TRADES)[0]["pv"] == pytest.approx(0.11)
    names = ran(test.replace("from house import pricer", ""), pricer=names["pricer"], pytest=pytest)
    names["test_it_is_fit_for_the_grid"]()


def test_the_pricer_of_the_readme() -> None:
    [code] = blocks("README.md")
    assert assert_pricer(ran(code)["pricer"], TRADES)[0]["pv"] == pytest.approx(0.11)
