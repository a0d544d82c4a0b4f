"""The first of two stages: linear scorers pick a shortlist of labels for each product."""
