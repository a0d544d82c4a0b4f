"""How a bundle is made from labelled products."""
