"""``azfinsim loadtest run``: a scenario from start to verdict."""
