"""What the columns of a file are: usual names, the mapping, category paths."""
