"""CloudFormation templates, task definitions, and the tool that deploys them."""
