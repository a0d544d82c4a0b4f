"""From scores to probabilities that hold, and from those to decisions."""
