"""From real runs to a world, from the world to an allocation, and back to real runs."""
