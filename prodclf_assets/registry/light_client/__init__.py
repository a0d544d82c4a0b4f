"""The registry for a process that must stay small: one version looked up and fetched, without MLflow in memory."""
