"""``azfinsim top``: a grid at work, seen live in the terminal."""
