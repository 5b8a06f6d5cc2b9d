"""``python -m loadtest.generator NAME``: one generator here; the environment tells the server."""

import os
import sys

from engine.connection import Address
from engine.edge import note, run_async
from loadtest.generator.process import generate_load

run_async(
    generate_load, Address.parse(os.environ["AZFINSIM_REDIS_URL"], os.environ), sys.argv[1], note
)
