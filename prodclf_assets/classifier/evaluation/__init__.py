"""How good a model is and whether it may replace the one that answers now."""
