"""All that reads what others may have written, each as a function of bytes (G10).

What may live here: the decoders, what each may raise, and an example that each can read. Hypothesis
and atheris both throw bytes at them.
"""

import dataclasses
import gzip
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from consumer.frames import LENGTH, pack, priced_parts, read_priced, read_work, work_parts
from engine.address import Address
from engine.call import Reply, encode_request, read_call
from engine.chunk import Chunk, Priced, price_chunk
from engine.codec import decode_block, decode_records, encode_block, encode_records
from engine.connection import text
from engine.entry import Entry, read_entry
from engine.errors import UsageError
from engine.ids import by_block, parse_ids
from engine.job import Job, Lane
from engine.letter import Letter
from engine.outcome import Counts
from engine.pricing.pricer import Request
from engine.pricing.warrant import pvonly
from engine.roster import Presence
from infra.config import Deployment
from infra.controller.history import History
from loadtest.latency import Latency
from loadtest.scenario_read import load
from producer.client_result import Result, answer_of
from producer.generate import generate
from producer.ndjson import encode_trades
from producer.plan import Span
from producer.price_views import figure
from producer.readers import read_trades
from producer.result_files import Csv, Ndjson, own_figures

MOST_WORDS = 1000
"""Characters of an error: what is hostile must not fill the logs either."""

Read = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Decoder:
    """Something that reads bytes."""

    name: str
    read: Read
    """Raises nothing but ``errors``, whatever it is given."""
    good: Sequence[bytes]
    """Bytes that it can read."""
    errors: tuple[type[Exception], ...] = ()
    own: bool = False
    """Whether it reads what the user himself has written, who may well be quoted at length."""

    def survives(self, data: bytes) -> bool:
        """Read; whether that went well. Lets all pass that it may not raise."""
        try:
            self.read(data)
        except self.errors as error:
            if len(str(error)) > MOST_WORDS and not self.own:
                raise AssertionError(f"an error of {len(str(error))} characters") from error
            return False
        return True


def fields(data: bytes) -> dict[bytes, bytes]:
    """Bytes as the fields of a stream message: name, value, name, value, parted by 0xFF 0xFE."""
    parts = data.split(b"\xff\xfe")
    return dict(zip(parts[::2], parts[1::2], strict=False))


def message(**named: bytes) -> bytes:
    """What ``fields`` reads so."""
    return b"\xff\xfe".join(part for k, v in named.items() for part in (k.encode(), v))


def _entry(data: bytes) -> object:
    read = read_entry(0, Lane.BULK, b"1-1", fields(data))
    if isinstance(read, Entry):
        try:
            return list(by_block(parse_ids(read.ids)))
        except ValueError as error:
            return _words(str(error))
    return _words(read.reason)


def _call(data: bytes) -> object:
    read = read_call(0, b"1-1", fields(data))
    return _words(getattr(read, "fault", "") or getattr(read, "reason", "")), repr(read)


def _words(reason: str) -> str:
    assert len(reason) <= MOST_WORDS, f"a reason of {len(reason)} characters"
    return reason


def _block(data: bytes) -> object:
    """As far as it goes: read, priced, and written as records."""
    block = decode_block(data)
    if block.ids:
        encode_block(block.ids, block.columns)
    # Few paths, and not the book's own, which may ask for hours.
    chunk = Chunk(parse_ids("0-3"), {0: data}, Request(paths=4), 0.0, 1)
    # More steps than any trade has would only be slow.
    if all(_few(value) for value in block.columns.get("steps", ())):
        priced = price_chunk(pvonly, chunk, lambda: 0.0)
        assert priced.priced + priced.rejected == 4
    return block


def _few(value: object) -> bool:
    return not isinstance(value, int) or value <= 1000


def _records(data: bytes) -> object:
    """As far as they go: into both kinds of file."""
    records = decode_records(data)
    for form in (Ndjson(), Csv(own=sorted(own_figures(records)))):
        form.lines(records)
    return records


def _job(data: bytes) -> object:
    job = Job.from_json(data)
    job.to_json()
    if job.trades is not None:
        Span.parse(job.trades)
    return repr(job)


def _counts(data: bytes) -> object:
    counts = Counts.read({text(k): text(v) for k, v in fields(data).items()})
    return orjson.dumps(counts.in_flight)


def _reply(data: bytes) -> object:
    answer = answer_of(Reply.from_json(data), 1.0)
    if not isinstance(answer, Result):
        return str(answer)
    shown = [figure(value) for value in answer.record.values()]
    return orjson.dumps(dict(answer.record)), shown, answer.attempts, answer.returned_ms


def _trades(data: bytes) -> object:
    """As far as they go: into blocks, and told of."""
    found = 0
    for batch in read_trades(io.BytesIO(data), "the file"):
        encode_block(batch.trades.ids, batch.trades.columns)
        encode_trades(batch.trades)
        for rejected in batch.rejected:
            orjson.dumps([rejected.field, rejected.value, _words(str(rejected))])
        found += len(batch.trades.ids)
    return found


def _parts(data: bytes) -> Sequence[bytes]:
    """A frame's parts, parted as fields are."""
    return data.split(b"\xff\xfe")


def _address(data: bytes) -> object:
    address = Address.parse(data.decode(errors="surrogateescape"))
    return str(address), repr(address), address.hosts, address.client_url, address.partitions


def _scenario(data: bytes) -> object:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "load.toml"
        path.write_bytes(data)
        return load(str(path))


SCENARIO = files("loadtest").joinpath("scenarios", "mixed.toml").read_bytes()
DEPLOYMENT = {
    **{field.name: "x" if field.type is str else 1 for field in dataclasses.fields(Deployment)},
    "redis_url": "rediss://host:10000?cluster=true",
}
BOOK = generate(1, 0, 4)
CHUNK = Chunk(parse_ids("0-1"), {0: b"x"}, Request(options={"a": 1}), 0.0, 1)
RECORD = {
    "id": 1,
    "pv": 0.5,
    "se": 0.1,
    "paths": 4,
    "weight": 7.5,
    "attempts": 1,
    "ms": 0.25,
    "outcome": "priced",
}
OLDER = (
    b'SET "t1" "<trade fx1=\\"0.8\\" strike=\\"0.7\\" drift=\\"0.1\\" sigma1=\\"0.1\\" v=\\"0.5\\"'
    b' ro=\\"0\\" maturity=\\"1\\" t_steps=\\"4\\" trials=\\"4\\" warrantsNo=\\"1\\"'
    b' notionalPerWarr=\\"1\\" start_date=\\"2020-01-01\\" end_date=\\"2021-01-01\\">1</trade>"'
)
PRESENCE = Presence("c", ["bulk"], 1, 2, 3, lacking={"a": "b"})
_KNOWN = (ValueError,)

DECODERS = {
    decoder.name: decoder
    for decoder in (
        Decoder(
            "entry",
            _entry,
            [message(job=b"night", epoch=b"1", ids=b"1000-1099,1200", spent=b"1", lapsed=b"0")],
        ),
        Decoder(
            "call",
            _call,
            [
                message(
                    call=b"1",
                    client=b"c",
                    trade=b'{"id":1,"spot":0.5}',
                    request=encode_request("pvonly", Request(options={"a": [1]})),
                    deadline=b"1700000000000",
                    traceparent=b"00-0-0-01",
                    queued=b"1",
                    spent=b"0",
                )
            ],
        ),
        Decoder("block", _block, [encode_block(BOOK.ids, BOOK.columns)]),
        Decoder("records", _records, [encode_records([RECORD, {**RECORD, "id": 2}])], _KNOWN),
        Decoder(
            "job",
            _job,
            [Job("n", "pvonly", trades="0:9", options={"a": 1}).to_json()],
            (ValueError, UsageError),
        ),
        Decoder("counts", _counts, [message(submitted=b"9", priced=b"8", dead=b"1")], _KNOWN),
        Decoder("ids", lambda data: parse_ids(text(data)), [b"1000-1099,1200"], _KNOWN),
        Decoder("letter", Letter.from_json, [Letter(1, "why", 3, "c", "trace").to_json()], _KNOWN),
        Decoder("reply", _reply, [Reply("1", RECORD, "c", 0.5).to_json()], _KNOWN),
        Decoder("presence", Presence.from_json, [orjson.dumps(asdict(PRESENCE))], _KNOWN),
        Decoder(
            "trades",
            _trades,
            [encode_trades(BOOK), OLDER, gzip.compress(encode_trades(BOOK), mtime=0)],
            (UsageError,),
        ),
        Decoder(
            "priced",
            lambda data: read_priced(_parts(data)),
            [b"\xff\xfe".join(priced_parts(Priced({0: b"x"}, 1, 0, 0.5)))],
            (ValueError, TypeError, KeyError),
        ),
        Decoder(
            "address",
            _address,
            [b"redis://user:pass%2Fword@host:6379/1?socket_timeout=2.5&partitions=3"],
            (UsageError,),
        ),
        Decoder("span", lambda data: Span.parse(text(data)), [b"0:1000"], (UsageError,)),
        Decoder(
            "deployment", Deployment.from_json, [orjson.dumps(DEPLOYMENT)], (UsageError,), own=True
        ),
        Decoder("history", History.from_json, [History().to_json()], _KNOWN),
        Decoder("scenario", _scenario, [SCENARIO], (UsageError,), own=True),
        Decoder("latency", Latency.decode, [Latency().encode()], _KNOWN),
    )
}

# What a slot process is given comes from its consumer alone: it need only be able to read that.
assert read_work(work_parts("a", CHUNK))[0] == "a"
assert len(pack([b""])) == 2 * LENGTH.size
