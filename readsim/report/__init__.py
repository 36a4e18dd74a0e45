"""One HTML page of what a folder holds: runs, a suite, studies. `command` is the way in, `parts` the data."""
