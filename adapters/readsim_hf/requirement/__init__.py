"""What a task requires: cards, the identifier that reads them, and how it is trained."""
