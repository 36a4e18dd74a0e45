"""What real runs do besides: one mechanism a file, each off unless a world's file turns it on."""
