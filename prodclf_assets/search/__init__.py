"""The search for the re-ranker's parameters: what a trial is, how many are made, and whether the best is worth having.

Only `tuner` knows Ray and Optuna, and is imported when a search begins.
"""
