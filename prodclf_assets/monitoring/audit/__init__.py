"""The audit: what was filed without a person is sampled, and the promise held against what people find."""
