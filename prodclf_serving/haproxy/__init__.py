"""HAProxy in front of the replicas, fit to face a network and started again when it dies."""
