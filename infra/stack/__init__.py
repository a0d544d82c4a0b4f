"""The services of `infra/compose/compose.yaml` without containers."""
