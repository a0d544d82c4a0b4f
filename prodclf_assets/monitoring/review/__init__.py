"""What people are asked about products, and what they said."""
