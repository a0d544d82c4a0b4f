"""A made-up shop of any size, the same for the same seed: to try things on, and for tests."""
