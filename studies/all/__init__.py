"""All studies of the paper: run what is missing, then one table of verdicts."""
