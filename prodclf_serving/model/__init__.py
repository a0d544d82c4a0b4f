"""Which model answers: followed in the registry, fetched, tried, swapped, kept for starts without a registry."""
