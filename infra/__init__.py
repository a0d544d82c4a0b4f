"""From a laptop to AWS: images, stacks, deploy tool, linters and the locks."""
