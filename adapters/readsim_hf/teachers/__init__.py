"""What the teacher is asked, what it answered, and the cache of that."""
