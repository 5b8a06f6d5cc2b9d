"""Who sends a load test's calls: one process each, here or on other machines.

Generators meet in Redis, begin at one moment of the server's clock, and tell there what came of
each interval; so whoever runs the test need not reach their machines.
"""
