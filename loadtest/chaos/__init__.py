"""Chaos: jobs and realtime calls while a seeded schedule of faults strikes, and an audit."""
