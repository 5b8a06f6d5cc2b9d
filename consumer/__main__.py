from consumer.commands import consume
from engine.edge import run_command

run_command(consume, "python -m consumer")
