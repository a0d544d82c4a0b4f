"""A film of the system at work: a script, the real system, a headless browser, a synthesised voice."""
