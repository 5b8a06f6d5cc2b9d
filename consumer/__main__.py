import signal


def main() -> None:
    """Run the command; Ctrl-C during half a second of imports ends it without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from consumer.commands import consume
    from engine.edge import run_command

    signal.signal(signal.SIGINT, signal.default_int_handler)
    run_command(consume, "python -m consumer")


if __name__ == "__main__":
    main()
