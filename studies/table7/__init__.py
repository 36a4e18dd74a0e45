"""Table 7: what an allocator does to a capability that no probe shows."""
