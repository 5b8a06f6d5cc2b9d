"""The costs that ``fleet plan`` reckons with unless told others: fitted to docs/scaling.json."""

from loadtest.fleet.model import Costs

MEASURED = Costs(
    entry=0.0001405,
    trade=3.937e-07,
    hold=3.094e-06,
    read=4.016e-05,
    consumer=0.000244,
    idle=0.0004999,
    book_cpu=4.526e-07,
    queue_cpu=6.663e-06,
    book_bytes=170.3,
    queue_bytes=97.19,
    result_bytes=119.5,
    clients=4.092,
    client_bytes=8103,
    in_entry=398.8,
    in_trade=128,
    out_entry=341.5,
    out_trade=170.8,
)
"""Of Valkey on one core of an AMD EPYC, over loopback, without TLS, replicas and persistence."""
