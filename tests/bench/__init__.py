"""`make bench`: how fast it is, measured on the real machine, next to other ways to the same state."""
