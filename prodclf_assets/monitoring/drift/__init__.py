"""Whether the model still sees what it was trained on."""
