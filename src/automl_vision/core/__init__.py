"""What every room stands on: the error tree, near-match messages, atomic files."""
