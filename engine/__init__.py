"""The core of azfinsim: what a trade is, what it is worth, and how it travels."""
