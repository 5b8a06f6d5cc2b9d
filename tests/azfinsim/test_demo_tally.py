"""What results add up to: by hand."""

from typing import Any

import pytest

from azfinsim.demo_tally import Tally


def priced(pv: float, se: float, paths: int) -> dict[str, Any]:
    return {"pv": pv, "se": se, "paths": paths, "outcome": "priced"}


def test_figures_are_of_all_records_however_they_come() -> None:
    tally = Tally(0.01)
    tally.add([priced(100.0, 1.0, 128), priced(-200.0, 2.5, 300)])
    tally.add([])
    tally.add([priced(50.0, 0.25, 256)])
    assert tally.pv_total == -50.0
    assert tally.report() == {
        "accuracy": 0.01,
        "accuracy_missed": 1,
        "paths_mean": 228.0,
        "paths_max": 300,
        "se_relative_median": 0.01,
        "se_relative_max": 0.0125,
    }


def test_what_no_trade_has_is_left_open() -> None:
    """A synthetic price has no figures, a rejected trade no price, one path no standard error."""
    tally = Tally()
    tally.add([{"outcome": "priced"}, {"outcome": "rejected", "reason": "no such trade"}])
    assert set(tally.report().values()) == {None}
    tally.add([{"pv": 1.0, "paths": 1, "outcome": "priced"}, {"se": 1.0, "outcome": "priced"}])
    report = tally.report()
    assert (report["paths_max"], report["se_relative_max"]) == (1, None)


@pytest.mark.parametrize(("se", "missed"), [(0.0, 0), (0.5, 1)])
def test_a_pv_of_zero_has_no_relative_error(se: float, missed: int) -> None:
    tally = Tally(0.01)
    tally.add([priced(0.0, se, 10)])
    assert tally.report()["se_relative_max"] is None
    assert tally.accuracy_missed == missed
