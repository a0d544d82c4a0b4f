"""What is kept of requests: a log line each, answers and feedback in the lake."""
