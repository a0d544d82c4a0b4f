"""Whether the model still sees what it was trained on, and the review of its answers by people."""
