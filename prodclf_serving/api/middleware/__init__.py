"""What surrounds every request, whatever its path."""
