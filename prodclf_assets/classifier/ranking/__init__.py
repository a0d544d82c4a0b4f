"""The second of two stages: boosted trees order the shortlist by features of product and label together."""
