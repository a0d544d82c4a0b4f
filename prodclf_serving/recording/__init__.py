"""What is kept of requests: a log line each, answers in the lake, corrections by people."""
