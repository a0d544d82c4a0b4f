"""The desk at which people judge products: what waits, who has it, what was said, and how a category is found."""
