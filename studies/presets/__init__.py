"""Makes every world file that ships with readsim."""
