"""matplotlib figures, each saved with a CSV of the numbers that it shows."""
