"""The front door: the ``azfinsim`` command."""
