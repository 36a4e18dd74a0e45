"""The catalogue of distillation methods: one table, and the page and figure made from it."""
