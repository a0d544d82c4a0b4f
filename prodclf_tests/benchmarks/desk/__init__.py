"""The review desk: how soon it opens and takes a decision, and whether its picker finds the category."""
