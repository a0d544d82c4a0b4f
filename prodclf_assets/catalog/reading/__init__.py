"""From a shop's files to a products frame: found, decoded, mapped, every fault named by file and row."""
