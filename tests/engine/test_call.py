"""What travels for a realtime price, of any bytes."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.call import Call, Reply, decode_request, encode_request, read_call
from engine.entry import Unreadable
from engine.pricing.pricer import Request

FIELDS = {
    b"call": b"c1",
    b"client": b"desk-7",
    b"trade": b'{"id":3,"spot":1.10}',
    b"request": encode_request("pvonly", Request(7, 100, 0.01, {"a": 1})),
    b"deadline": b"1700000000500",
    b"traceparent": b"00-ab-cd-01",
}
DEEP = b"[" * 300 + b"]" * 300


def read(fields: dict[bytes, bytes], deliveries: int = 1) -> Call | Unreadable:
    return read_call(0, b"1700000000000-3", fields, deliveries)


def test_a_call_is_read_as_it_was_sent() -> None:
    request = Request(7, 100, 0.01, {"a": 1})
    assert read({**FIELDS, b"spent": b"2"}, 3) == Call(
        0,
        "1700000000000-3",
        "c1",
        "desk-7",
        {"id": 3, "spot": 1.1},
        "pvonly",
        request,
        FIELDS[b"request"],
        1_700_000_000_500,
        "00-ab-cd-01",
        spent=2,
        deliveries=3,
        queued_ms=1_700_000_000_000,
    )


def test_one_that_was_handed_back_keeps_the_time_it_was_queued() -> None:
    call = read({**FIELDS, b"queued": b"1600000000000"})
    assert isinstance(call, Call)
    assert call.queued_ms == 1_600_000_000_000


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("trade", None, "trade is missing"),
        ("trade", b"{", "trade is no JSON"),
        ("trade", b"[1]", "must be a JSON object"),
        ("trade", b'{"spot":1}', "id is None: must be a whole number"),
        ("trade", b'{"id":true}', "id is True"),
        ("trade", b'{"id":-1}', "id is -1"),
        ("trade", b'{"id":1,"deep":' + DEEP + b"}", "trade is no JSON"),
        ("request", b"null", "request is None: must be a JSON object"),
        ("request", b'{"algorithm":1}', "algorithm is 1: must be a name"),
        ("request", b'{"algorithm":' + b"[" * 200 + b"]" * 200 + b"}", "algorithm is [[["),
        ("request", b'{"algorithm":"x","options":[]}', "options is []"),
        ("request", b'{"algorithm":"x","options":{"a":' + DEEP + b"}}", "request is no JSON"),
        ("request", b'{"algorithm":"x","seed":-1}', "seed is -1"),
        ("request", b'{"algorithm":"x","seed":0.5}', "seed is 0.5"),
        ("request", b'{"algorithm":"x","paths":1e3}', "paths is 1000.0"),
        ("request", b'{"algorithm":"x","paths":99999999999}', "paths is 99999999999"),
        ("request", b'{"algorithm":"x","accuracy":0}', "accuracy is 0"),
        ("deadline", b"soon", "invalid literal"),
        ("deadline", b"-5", "deadline is -5"),
        ("deadline", b"9" * 400, "deadline is 999"),
        ("deadline", b"9" * 5000, "Exceeds the limit"),
        ("queued", b"9" * 400, "queued is 999"),
        ("spent", b"-1", "-1 attempts cannot have been made"),
        ("traceparent", b"x" * 200, "traceparent has 200 bytes"),
    ],
)
def test_one_that_can_be_answered_says_what_is_wrong(
    field: str, value: bytes | None, words: str
) -> None:
    """G10: the client is told rather than left waiting."""
    fields = {**FIELDS, field.encode(): value}
    call = read({name: value for name, value in fields.items() if value is not None})
    assert isinstance(call, Call)
    assert words in call.fault
    assert (call.call, call.client) == ("c1", "desk-7")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("client", None, "it has no field client"),
        ("client", b"a}b", "must be 1 to 64 letters"),
        ("client", b"x" * 65, "must be 1 to 64 letters"),
        ("call", b"", "must be 1 to 64 letters"),
        ("call", b"\xff", "codec"),
    ],
)
def test_one_that_cannot_be_answered_is_unreadable(
    field: str, value: bytes | None, words: str
) -> None:
    """G10: a client's name becomes part of a key."""
    fields = {**FIELDS, field.encode(): value}
    message = read({name: value for name, value in fields.items() if value is not None})
    assert isinstance(message, Unreadable)
    assert words in message.reason


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.binary(max_size=30)))
def test_any_bytes_give_a_value(noise: dict[bytes, bytes]) -> None:
    """G10."""
    assert isinstance(read({**FIELDS, **noise}), Call | Unreadable)


def test_a_request_comes_back_and_is_one_object_for_calls_alike() -> None:
    """By which calls that may be priced together are found."""
    data = encode_request("pvonly", Request(options={"task_duration": 1.5}))
    assert decode_request(data) == ("pvonly", Request(options={"task_duration": 1.5}))
    assert decode_request(data)[1] is decode_request(bytes(bytearray(data)))[1]


REPLY = Reply("c1", {"id": 3, "pv": 0.1, "outcome": "priced"}, "host-1", 0.25)


def test_a_reply_comes_back() -> None:
    assert Reply.from_json(REPLY.to_json()) == REPLY


@pytest.mark.parametrize(
    "damage",
    [
        {"record": None},
        {"record": {"id": 1}},
        {"record": {"id": -1, "outcome": "priced"}},
        {"record": {"id": 1, "outcome": ["priced"]}},
        {"record": {"id": 1, "outcome": "lost"}},
        {"call": 1},
        {"consumer": None},
        {"queued_ms": "1"},
        {"queued_ms": True},
    ],
)
def test_what_is_no_reply_is_told(damage: dict[str, Any]) -> None:
    """G10."""
    stored = orjson.loads(REPLY.to_json())
    with pytest.raises(ValueError, match="a reply"):
        Reply.from_json(orjson.dumps({**stored, **damage}))
    with pytest.raises(ValueError, match="a reply is"):
        Reply.from_json(b"[]")
