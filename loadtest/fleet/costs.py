"""The costs that ``fleet plan`` reckons with unless told others: fitted to docs/scaling.json."""

from loadtest.fleet.model import Costs

MEASURED = Costs(
    entry=9.155e-05,
    trade=3.058e-07,
    renewal=0.0,
    scan=8.25e-07,
    read=2.124e-05,
    consumer=0.0006886,
    idle=0.0003946,
    book_cpu=4.546e-07,
    queue_cpu=5.996e-06,
    book_bytes=170.3,
    queue_bytes=97.07,
    result_bytes=119.5,
    clients=4.05,
    client_bytes=6425.0,
    in_entry=416.7,
    in_trade=129.6,
    out_entry=748.9,
    out_trade=166.5,
)
"""Of Valkey on one core of an AMD EPYC, over loopback, without TLS, replicas and persistence."""
