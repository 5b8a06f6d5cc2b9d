"""The page of a load test: one HTML file that needs nothing else."""
