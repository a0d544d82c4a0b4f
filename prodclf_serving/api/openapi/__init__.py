"""The description of the interface, and the one that was announced last."""
