"""What a world is, for a reader: a report, and a page of sliders that predicts as the world does."""
