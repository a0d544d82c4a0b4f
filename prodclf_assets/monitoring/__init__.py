"""Whether the model still sees what it was trained on, and what people are asked and say about its answers."""
