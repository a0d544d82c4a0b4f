"""What Python programs use: products in, categories out, without Dagster."""
