"""What a replica counts and measures, and all replicas in one scrape."""
