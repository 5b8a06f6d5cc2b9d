"""How fast a consumer says it is."""

from consumer.pulse import Pulse


def test_nothing_is_said_before_there_is_anything_to_say() -> None:
    pulse = Pulse()
    pulse.beat(10.0, 500)
    assert pulse.rate is None


def test_the_rate_is_between_announcements_that_lie_apart() -> None:
    pulse = Pulse()
    for now, count, rate in (
        (10.0, 500, None),
        (12.0, 600, 50.0),
        (12.5, 900, 50.0),
        (14.0, 600, 0),
    ):
        pulse.beat(now, count)
        assert pulse.rate == rate
