"""Makes every world file that ships with readsim: `python -m studies.presets`."""
