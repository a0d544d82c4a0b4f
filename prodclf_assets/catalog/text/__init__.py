"""One meaning for texts and numbers, however a shop writes them: one at a time, and whole columns."""
