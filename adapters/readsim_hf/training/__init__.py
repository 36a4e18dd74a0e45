"""Training the student: batches, the optimiser over the whole budget, its saved state."""
