"""What readsim costs beside the public demo and bare equations, as ratios measured in one process."""
