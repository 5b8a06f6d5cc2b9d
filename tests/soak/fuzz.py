"""Coverage-guided fuzzing of one decoder: ``python -m tests.soak.fuzz NAME SECONDS FOLDER``.

What it finds interesting it keeps in FOLDER, and so goes on where it has stopped. The first input
for which the decoder raises what it may not, or takes ten seconds or a gigabyte, it shows as bytes,
and ends with another exit code than 0.
"""

import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped]  # It ships none.

INSTRUMENTED = [
    *("engine.address", "engine.address_options", "engine.call", "engine.codec", "engine.entry"),
    *("engine.ids", "engine.job", "engine.letter", "engine.names", "engine.outcome"),
    *("engine.roster", "engine.trade", "loadtest.latency", "producer.checks", "producer.plan"),
    *(
        "infra.config",
        "infra.controller.history",
        "loadtest.scenario_read",
        "producer.client_result",
        "producer.readers",
        "producer.records",
        "consumer.frames",
    ),
]
"""What decides about bytes. Not the kernels: Numba could not compile what is instrumented."""

with atheris.instrument_imports(include=INSTRUMENTED):
    from tests.hostile.decoders import DECODERS

MOST_BYTES = 4096
"""Of an input: long ones are for the bombs, these are to find their way into the code."""


def main(name: str, seconds: str, folder: str) -> None:
    """Fuzz until the time is up; does not return."""
    decoder = DECODERS[name]
    corpus = Path(folder)
    for number, good in enumerate(decoder.good):
        decoder.survives(good)  # What is compiled at first is no input's fault.
        (corpus / f"good-{number}").write_bytes(good)

    def one(data: bytes) -> None:
        try:
            decoder.survives(data)
        except BaseException:
            # In whole: what libFuzzer prints is cut off.
            sys.stderr.write(f"\n{name} fails for {data!r}\n")
            raise

    limits = [f"-max_total_time={seconds}", f"-max_len={MOST_BYTES}", "-timeout=10"]
    atheris.Setup(
        ["fuzz", *limits, "-rss_limit_mb=1024", f"-artifact_prefix={folder}/found-", folder], one
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
