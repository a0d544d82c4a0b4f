"""A Ray node of our own on one machine, for serving and for the search: small, and quick to start on a busy machine."""
