"""What a trade is worth: the pricers, and the seam where users put in their own."""
