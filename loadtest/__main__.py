from engine.edge import run_command
from loadtest.commands import loadtest

run_command(loadtest, "python -m loadtest")
