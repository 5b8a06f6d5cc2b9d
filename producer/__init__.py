"""Fills the cache with books of trades, submits jobs over them, and fetches results.

Imports the engine and no other room. Only the modules named ``*_commands``, and what says that only
they import it, read the environment, print or exit.
"""
