"""cytosae-toolkit."""
