"""Work that many machines share: a Ray cluster whose workers answer, while one process reads and writes."""
