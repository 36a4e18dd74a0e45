"""`python -m readsim`."""

from readsim.cli import main

if __name__ == "__main__":
    main()
