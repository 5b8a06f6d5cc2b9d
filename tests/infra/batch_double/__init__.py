"""A counterpart of Azure Batch for tests: its REST interface over https, with real processes.

There is no emulator. ``server`` is what tests start; it refuses what the service would refuse, as
far as the SDK's own models (``schema``) and its documentation tell, runs the command line of each
task as a process (``nodes``), and fails on demand (``faults``).
"""
