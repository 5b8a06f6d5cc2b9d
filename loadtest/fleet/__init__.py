"""A simulated fleet: how one Redis bears more consumers than one machine could run."""
