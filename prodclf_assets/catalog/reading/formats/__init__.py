"""File formats, read and written: bytes to records as they are, and tables to files."""
