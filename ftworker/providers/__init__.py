"""Who trains: the contract every provider keeps (`contract`), and the providers themselves. Start with `contract`."""
