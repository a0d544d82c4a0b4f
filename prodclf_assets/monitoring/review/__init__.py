"""The review: products in doubt out to people, their annotations back in, one label a product."""
