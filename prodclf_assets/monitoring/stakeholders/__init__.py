"""The report for management: its figures, and the page and slides that show them."""
