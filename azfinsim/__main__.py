"""Where the ``azfinsim`` command starts; imports nothing before it can be interrupted."""

import sys
from typing import NoReturn

INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line."""
    try:
        from azfinsim.cli import azfinsim
        from engine.edge import run_command
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run_command(azfinsim, "azfinsim")


if __name__ == "__main__":
    main()
