"""RegMix's public runs: how well the fitted world predicts, and whether allocators rank alike in it."""
