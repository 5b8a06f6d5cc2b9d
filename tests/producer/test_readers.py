"""Reading files of trades: what is good comes out in order, what is not is told; none crash."""

import gzip
import io
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from producer import readers
from producer.generate import generate
from producer.load import Rejected
from producer.ndjson import encode_trades
from producer.readers import MAX_LINE, UNKNOWN_LINES, read_trades
from producer.records import MAX_FIELDS

OLDER = Path(__file__).parent.parent / "data" / "older-trades-1000.gz"

Row = dict[str, object]

TRADE = generate(1, 0, 1).row(0)


def read(data: bytes) -> tuple[list[Row], list[Rejected]]:
    rows: list[Row] = []
    rejected: list[Rejected] = []
    for batch in read_trades(io.BytesIO(data), "the file"):
        rows += [batch.trades.row(row) for row in range(len(batch.trades.ids))]
        rejected += batch.rejected
    return rows, rejected


def ndjson(*rows: Row) -> bytes:
    return b"\n".join(map(orjson.dumps, rows))


def told(data: bytes) -> list[str]:
    """The faults of a file that begins with a good line."""
    rows, rejected = read(ndjson({**TRADE, "id": 1}) + b"\n" + data)
    assert rows[0]["id"] == 1
    return list(map(str, rejected))


def older(xml: str) -> bytes:
    quoted = xml.replace("\\", "\\\\").replace('"', '\\"')
    return f'SET ey0000000.xml "{quoted}"'.encode()


def element(text: str = "7", **changes: str) -> str:
    attributes = {
        "fx1": "0.9",
        "strike": "0.8",
        "drift": "-0.01",
        "sigma1": "0.08",
        "v": "0.0015",
        "ro": "3.8e-05",
        "maturity": "0.20",
        "t_steps": "172",
        "trials": "10000",
        "warrantsNo": "30000",
        "notionalPerWarr": "1000",
        "start_date": "2017-12-29",
        "end_date": "2018-08-28",
    } | changes
    words = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return f"<AZFINSIM>  <trade {words}>{text}</trade></AZFINSIM>"


def test_the_older_data_set_is_read() -> None:
    rows, rejected = read(OLDER.read_bytes())
    assert not rejected
    assert [row["id"] for row in rows] == list(range(1000))
    # The file's last line, read by eye.
    assert rows[999] == {
        "id": 999,
        "spot": 0.9045075730866041,
        "strike": 0.7750644117073625,
        "drift": 0.01707041762560683,
        "vol": 0.06950174920356789,
        "vol_of_vol": 0.0015480737860400,
        "rho": 3.8413221829e-05,
        "maturity": 0.20,
        "steps": 172,
        "paths": 10000,
        "warrants": 43978,
        "notional": 969.1950514827760799,
        "start_date": "2017-12-29",
        "end_date": "2018-08-28",
    }


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\n\n  \n"])
def test_what_was_exported_is_read(zipped: bool, ending: bytes) -> None:
    trades = generate(5, 90, 20)
    data = encode_trades(trades).replace(b"\n", ending)
    rows, rejected = read(gzip.compress(data) if zipped else data)
    assert not rejected
    assert rows == [trades.row(row) for row in range(20)]


def test_the_last_line_needs_no_end_and_the_first_may_have_a_mark() -> None:
    rows, rejected = read(b"\xef\xbb\xbf" + ndjson(TRADE, {**TRADE, "id": 1}))
    assert (len(rows), rejected) == (2, [])


def test_both_forms_may_stand_in_one_file() -> None:
    rows, rejected = read(ndjson(TRADE) + b"\n" + older(element()))
    assert ([row["id"] for row in rows], rejected) == ([0, 7], [])
    assert rows[1]["vol"] == 0.08


def test_fields_that_only_some_pricer_knows_are_kept() -> None:
    more = {"curve": [[1, 2.5], [2, None]], "desk": "FX", "flags": {"a": True}, "big": 2**64 - 1}
    assert read(ndjson({**TRADE, **more}))[0] == [{**TRADE, **more}]


def test_what_is_null_is_as_if_it_were_not_there() -> None:
    assert read(ndjson({**TRADE, "desk": None}))[0] == [TRADE]
    assert told(ndjson({**TRADE, "vol": None})) == [
        "line 2: vol is missing: must be a number of at least 0"
    ]


def test_of_a_product_that_nobody_knows_only_the_id_is_checked() -> None:
    strange: Row = {"id": 5, "product": "swap", "vol": "none", "legs": [1, 2]}
    assert read(ndjson(strange))[0] == [strange]
    assert told(ndjson({**strange, "id": -5}))[0].startswith("line 2: id is -5: must be")
    [infinite] = told(older(element(product="swap", fx1="inf")))
    assert infinite == "line 2: spot is inf: must be a finite number"
    [row], _ = read(older(element(product="swap", t_steps="9" * 30, trials="x")))
    assert (row["steps"], row["paths"]) == ("9" * 30, "x")


def test_the_product_is_a_name() -> None:
    assert read(ndjson({**TRADE, "product": "warrant"}))[1] == []
    assert told(ndjson({**TRADE, "product": ["warrant"]})) == [
        "line 2: product is ['warrant']: must be the name of a product"
    ]


def test_products_may_be_mixed_and_keep_their_order() -> None:
    rows, rejected = read(
        ndjson(
            {**TRADE, "id": 1},
            {"id": 1, "product": "swap"},
            {**TRADE, "id": 2, "vol": -1},
            {"id": "x", "product": "swap"},
            {**TRADE, "id": 3},
        )
    )
    assert rows == [{**TRADE, "id": 1}, {"id": 1, "product": "swap"}, {**TRADE, "id": 3}]
    assert [(each.line, each.field, each.value) for each in rejected] == [
        (3, "vol", -1),
        (4, "id", "x"),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (ndjson({**TRADE, "vol": -0.1}), "vol is -0.1: must be a number of at least 0"),
        (ndjson({**TRADE, "rho": True}), "rho is True: must be a number of at least -1"),
        (b'{"id":5}', "spot is missing: must be a number above 0"),
        (b'{"id":1e999}', "id is inf: must be a finite number"),
        (b'{"id":5,"spot":NaN}', "spot is nan: must be a finite number"),
        (b'{"id":5,"spot":-Infinity}', "spot is -inf: must be a finite number"),
        (b'{"id":5,"spot":1' + b"0" * 400 + b"}", "spot is a whole number beyond 64 bits"),
        (b'{"id":5', "is not JSON: unexpected end of data at character"),
        (b'{"id":5}{"id":6}', "is not JSON: unexpected content"),
        (b'{"id":5,"a":"\xff"}', "is not JSON: "),
        (b'{"id":5,"a":"\\ud800"}', "is not JSON: "),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "is nested too deep"),
        (b'{"a":' * 3000, "is not JSON: "),
        (b"[1]", "begins with '[1]': must be a JSON object, or a SET command"),
        (b"null", "begins with 'null'"),
        (b"\x00\xff", "begins with '\\x00�'"),
        ("┏━━━━━━━━━━━━━━━━━━━━━━━┓".encode(), "begins with '┏━━━━━━━━━━━━━━━━━━━':"),
        (b"SET", 'is not of the form SET KEY "XML"'),
        (b'SET key "<a/>', 'is not of the form SET KEY "XML"'),
        (b'SET key "<a/>" EX 5', 'is not of the form SET KEY "XML"'),
        (b'SET key "<a \\xff/>"', "is not XML: not well-formed"),
        (older("<AZFINSIM>"), "is not XML: no element found"),
        (older("<a/>"), "has 0 trade elements: must be one"),
        (older(f"<a>{element()}{element()}</a>"), "has 2 trade elements: must be one"),
        (older(element("x")), "id is 'x': must be a whole number"),
        (older(element("")), "id is '': must be"),
        (older(element("9" * 5000)), "id is '9"),
        (older(element(fx1="nan")), "spot is nan: must be a number above 0"),
        (older(element(fx1="1_0")), "spot is '1_0': must be a number above 0"),
        (older(element(t_steps="172.0")), "steps is '172.0': must be a whole number"),
        (older(element(end_date="28.08.2018")), "end_date is '28.08.2018': must be a date"),
        (older("<a>" * 20_000), "is not XML: "),
    ],
)
def test_a_bad_line_is_told_and_its_neighbours_go_in(line: bytes, words: str) -> None:
    rows, rejected = read(ndjson(TRADE) + b"\n" + line + b"\n" + ndjson({**TRADE, "id": 9}))
    assert [row["id"] for row in rows] == [0, 9]
    [told] = rejected
    assert told.line == 2
    assert str(told).startswith(f"line 2: {words}")
    assert len(str(told)) < 200


def test_entities_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("17")
    bomb = '<!ENTITY a "1">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    for inside, entity in ((bomb, "i"), (f'<!ENTITY i SYSTEM "{secret}">', "i")):
        xml = f"<!DOCTYPE AZFINSIM [{inside}]>{element(f'&{entity};')}"
        assert told(older(xml)) == ["line 2: has a document type declaration, which is not read"]
    assert told(older(element("&i;"))) == ["line 2: is not XML: undefined entity"]


def test_escapes_are_those_of_redis_cli() -> None:
    line = b'set k "<a>\\n<trade\\tid=\\"5\\" note=\\"\\x41\\\\B\\\\\\\\\\">\\x37</trade></a>"'
    [fault] = told(line)
    assert fault == "line 2: spot is missing: must be a number above 0"
    [row], _ = read(line.replace(b"note", b'product=\\"swap\\" note'))
    assert row == {"id": 7, "product": "swap", "note": "A\\B\\\\"}


def test_too_many_fields_are_refused() -> None:
    fields: Row = {str(n): n for n in range(MAX_FIELDS)}
    assert told(ndjson({**TRADE, **fields})) == [
        f"line 2: has {MAX_FIELDS + 14} fields: must be at most {MAX_FIELDS}"
    ]


def test_a_line_too_long_is_skipped() -> None:
    long = b'{"a":"' + b"x" * (2 * MAX_LINE) + b'"}'
    rows, rejected = read(b"\n".join([ndjson(TRADE), long, ndjson({**TRADE, "id": 9}), long]))
    assert [row["id"] for row in rows] == [0, 9]
    assert [(each.line, each.problem) for each in rejected] == [
        (2, f"is longer than {MAX_LINE} bytes"),
        (4, f"is longer than {MAX_LINE} bytes"),
    ]


def test_a_file_is_read_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "BATCH_RECORDS", 40)
    data = encode_trades(generate(1, 0, 100)) + b"{\n" + encode_trades(generate(1, 100, 30))
    batches = list(read_trades(io.BytesIO(data), "the file"))
    assert [len(batch.trades.ids) + len(batch.rejected) for batch in batches] == [40, 40, 40, 11]
    assert [each.line for batch in batches for each in batch.rejected] == [101]


def test_large_and_strange_trades_make_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "BATCH_BYTES", 1000)
    rows = [{**TRADE, "id": i, "note": "x" * 600} for i in range(6)]
    sizes = [len(b.trades.ids) for b in read_trades(io.BytesIO(ndjson(*rows)), "the file")]
    assert sizes == [2, 2, 2, 0]
    monkeypatch.setattr(readers, "BATCH_BYTES", 10**9)
    monkeypatch.setattr(readers, "BATCH_FIELDS", 40)
    rows = [{**TRADE, "id": i, **{f"{i}-{n}": 1 for n in range(10)}} for i in range(6)]
    sizes = [len(b.trades.ids) for b in read_trades(io.BytesIO(ndjson(*rows)), "the file")]
    assert sizes == [3, 3, 0]


@pytest.mark.parametrize("part", [0.5, 0.9, 0.99])
def test_gzip_data_that_breaks_off_is_told_after_what_was_read(part: float) -> None:
    data = OLDER.read_bytes()
    rows, rejected = read(data[: int(part * len(data))])
    assert part * 900 < len(rows) < 1000
    assert [row["id"] for row in rows] == list(range(len(rows)))
    [told] = rejected
    assert str(told).startswith(f"line {len(rows) + 1}: and what follows: damaged gzip data (")


def test_gzip_data_that_is_damaged_is_told() -> None:
    data = bytearray(OLDER.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) // 2)
    rows, rejected = read(bytes(data))
    assert 0 < len(rows) < 1000
    assert "damaged gzip data" in rejected[-1].problem


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"\x1f\x8b", "the file holds no trades: line 1 and what follows: damaged gzip data"),
        (b"\x1f\x8bno gzip", "the file holds no trades: line 1 and what follows: damaged gzip"),
        (gzip.compress(b"", mtime=0), "the file is empty"),
        (bytes(range(256)), "the file holds no trades: line 1 begins with"),
        (b"id,spot\n1,0.9\n", "the file holds no trades: line 1 begins with 'id,spot'"),
        (b"x" * (2 * MAX_LINE), "the file holds no trades: line 1 is longer than"),
        (b"x\n" * UNKNOWN_LINES + b"{}", "the file holds no trades: line 1 begins with 'x'"),
    ],
)
def test_another_kind_of_file_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        read(data)
    assert str(refused.value).startswith(words)


def test_a_file_that_begins_badly_is_still_ours() -> None:
    rows, rejected = read(b"x\n" * (UNKNOWN_LINES - 1) + ndjson(TRADE))
    assert (len(rows), len(rejected)) == (1, UNKNOWN_LINES - 1)


def test_a_file_that_cannot_be_read_is_told() -> None:
    class Broken(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(UsageError, match="cannot read the file: Input/output error"):
        list(read_trades(Broken(b"{}"), "the file"))


@given(
    st.lists(
        st.binary()
        | st.sampled_from([b"{}", b'{"id":1}', b"SET", older(element()), ndjson(TRADE)])
        | st.binary().map(lambda data: b'SET k "' + data + b'"')
        | st.text().map(lambda text: older(f"<a>{text}</a>"))
        | st.text().map(element).map(older)
    ).map(b"\n".join),
    st.booleans(),
)
def test_any_bytes_are_read_or_refused(data: bytes, zipped: bool) -> None:
    try:
        rows, _ = read(gzip.compress(data) if zipped else data)
    except UsageError:
        return
    for row in rows:
        orjson.dumps(row)
