"""Record systems: whom the API trusts, what it asks of them, and the cards that it answers."""
