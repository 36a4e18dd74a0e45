"""All allocators on all worlds: the plan, the runs, one table and one figure."""
