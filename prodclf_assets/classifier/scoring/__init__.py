"""A model over whole tables and catalogues."""
