"""From products to answers: one model, many requests at a time, in vectorised calls."""
