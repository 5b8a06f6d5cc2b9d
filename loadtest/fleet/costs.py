"""The costs that ``fleet plan`` reckons with unless told others: fitted to docs/scaling.json."""

from loadtest.fleet.model import Costs

MEASURED = Costs(
    entry=0.0001411,
    trade=4.153e-07,
    hold=2.928e-06,
    read=5.298e-05,
    idle=0.0004999,
    book_cpu=4.49e-07,
    queue_cpu=6.925e-06,
    book_bytes=170.3,
    queue_bytes=97.19,
    result_bytes=119.5,
    clients=4.092,
    client_bytes=9108,
    in_entry=396.4,
    in_trade=127.2,
    out_entry=341,
    out_trade=170.5,
)
"""Of Valkey on one core of an AMD EPYC, over loopback, without TLS, replicas and persistence."""
