"""Bytes that are small and expand, or that something was never thought to be given.

What may live here: the bombs, and how Hypothesis makes noise of what is good.
"""

import gzip
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

LONG = 200_000

Bomb = Callable[[bytes], Sequence[bytes]]
"""Made of bytes that the decoder can read."""


def _values(*values: bytes) -> Bomb:
    """Each in every place where the example has a number or a text of JSON, and alone."""

    def made(good: bytes) -> list[bytes]:
        places = [place for place in (b"1", b"0", b'"', b"null", b"false", b"8") if place in good]
        return [
            *values,
            *(good.replace(place, value, 1) for place in places for value in values),
            *(
                good.replace(place, value)
                for place in places
                for value in values
                if len(value) < 99
            ),
        ]

    return made


def _deep(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def _xml(body: bytes) -> bytes:
    return b'SET t "' + body.replace(b'"', b'\\"') + b'"'


_LAUGHS = b"".join(
    b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10 if n else b"ha") for n in range(12)
)

BOMBS: dict[str, Bomb] = {
    # orjson reads a thousand levels and writes 254, Python follows a thousand at most.
    "deep": _values(*(_deep(n) for n in (250, 255, 300, 990, 1020, 1025, LONG)), b'{"a":' * LONG),
    "range": _values(
        *(b"0-999999999999", b"0-9007199254740992", b"0-1000000", b"5-4"),
        b",".join(b"%d-%d" % (n, n + 999_999) for n in range(0, 10**9, 10**6)),
        b"1," * LONG,
    ),
    "huge numbers": _values(
        *(b"9" * 400, b"9" * LONG, b"-" + b"9" * 5000, b"1e999", b"-1e999", b"1e-999"),
        *(b"18446744073709551616", b"-9223372036854775809", b"0." + b"0" * LONG + b"1"),
    ),
    "no numbers": _values(b"NaN", b"Infinity", b"-Infinity", b"-0", b"1_000", "١٢".encode()),
    "no text": _values(
        *(
            b"\xff\xff",
            b"\x00",
            b'"\\ud800"',
            b'"\\udc00\\ud800"',
            "\u202e".encode(),
            b"\xed\xa0\x80",
        ),
        *(b'"\\u0000"', b"\x1b[2J", b"\r", b"\x85", "\u2028".encode()),
    ),
    "long": _values(
        b"x" * LONG, b"\xff" * LONG, b'"' + b"x" * LONG + b'"', b" " * LONG, b"\n" * LONG
    ),
    "wide": _values(
        b"{" + b",".join(b'"%d":1' % n for n in range(50_000)) + b"}",
        b"[" + b"1," * 300_000 + b"1]",
    ),
    "entities": lambda _: [
        _xml(b"<!DOCTYPE t [" + _LAUGHS + b"]><trade>&l11;</trade>"),
        _xml(b"<!DOCTYPE t [<!ENTITY a '" + b"x" * 100_000 + b"'>]><trade>" + b"&a;" * 99_999),
        _xml(b'<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><trade>&x;</trade>'),
        _xml(b'<!DOCTYPE t SYSTEM "http://127.0.0.1:1/x.dtd"><trade>1</trade>'),
        _xml(b"<a>" * 200_000),
        _xml(b"<trade " + b" ".join(b'a%d="1"' % n for n in range(100_000)) + b">1</trade>"),
        _xml(b"<trade " + b'a="1" ' * 100_000 + b">1</trade>"),
    ],
    "gzip": lambda good: [
        gzip.compress(bytes(LONG)),
        gzip.compress(good)[:-9],
        gzip.compress(good) + b"\x1f\x8b\x08",
        b"\x1f\x8b",
        b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\x03\xff\xff",
        gzip.compress(b"") * 50_000,
    ],
}


def noise(good: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Any bytes, and good ones with some cut out, put in, doubled or turned."""
    return st.binary(max_size=200) | st.sampled_from(list(good)).flatmap(_damaged)


def _damaged(good: bytes) -> st.SearchStrategy[bytes]:
    place = st.integers(0, len(good))
    put = st.binary(max_size=8) | st.sampled_from(
        [
            b"[",
            b"{",
            b'"',
            b"-",
            b"9" * 20,
            b"null",
            b"true",
            b"1e9",
            b"\n",
            b"\xff\xfe",
            b",",
            b"@",
            b"%00",
        ]
    )
    cut = st.tuples(place, place, put)

    def apply(cuts: list[tuple[int, int, bytes]]) -> bytes:
        data = good
        for first, last, new in cuts:
            data = data[: min(first, last)] + new + data[max(first, last) :]
        return data

    near = st.tuples(place, st.integers(0, 6), put).map(lambda c: (c[0], c[0] + c[1], c[2]))
    return st.lists(near | cut, min_size=1, max_size=3).map(apply)
