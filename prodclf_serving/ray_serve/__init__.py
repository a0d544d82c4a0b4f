"""Replicas on Ray Serve: how they are deployed, started and kept small."""
