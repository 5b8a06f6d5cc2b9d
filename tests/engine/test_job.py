"""A job as it is stored."""

import orjson
import pytest

from engine.job import Job

JOB = Job("night", "deltavega", paths=5000, accuracy=0.0025, options={"greeks_per": "unit"})


def test_a_job_is_read_as_it_was_stored() -> None:
    assert Job.from_json(JOB.to_json()) == JOB


def test_a_job_of_an_earlier_version_asks_for_no_accuracy() -> None:
    stored = orjson.loads(JOB.to_json())
    del stored["accuracy"]
    assert Job.from_json(orjson.dumps(stored)).accuracy is None


@pytest.mark.parametrize("name", ["accuracy", "trade_timeout"])
@pytest.mark.parametrize("value", ["0.1", True, [0.1]])
def test_a_stored_number_that_is_none_is_told(name: str, value: object) -> None:
    stored = orjson.loads(JOB.to_json()) | {name: value}
    with pytest.raises(ValueError, match=f"a stored job has {name}"):
        Job.from_json(orjson.dumps(stored))
