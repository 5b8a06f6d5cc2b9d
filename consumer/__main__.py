import sys

from engine.edge import INTERRUPTED, run_command

try:
    from consumer.commands import consume
except KeyboardInterrupt:
    # It takes half a second.
    sys.exit(INTERRUPTED)

run_command(consume, "python -m consumer")
