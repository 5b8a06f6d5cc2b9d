"""What the grid can do: benchmarks, and the load that finds its limits."""
