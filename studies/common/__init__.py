"""What the studies of the paper's figures and tables share: claims, runs, verdicts, files."""
