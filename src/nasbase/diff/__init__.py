"""What differs between two builds of a benchmark, row by row and number by number."""
