"""What a sweep of many runs costs, from measured runs."""
