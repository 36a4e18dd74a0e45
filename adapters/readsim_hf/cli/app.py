"""The commands that real runs add to `readsim`; loads nothing heavy until one of them runs."""

import typer

from readsim_hf.cli.distill import distill
from readsim_hf.cli.merge import merge
from readsim_hf.cli.models import models
from readsim_hf.cli.plan import plan
from readsim_hf.cli.probes import probes
from readsim_hf.cli.replies import replies
from readsim_hf.cli.teach import teach


def register(app: typer.Typer) -> None:
    """Add the commands to readsim's own; called through the entry-point group `readsim.commands`."""
    app.command()(distill)
    app.command()(plan)
    app.command()(teach)
    app.command()(merge)
    app.command()(probes)
    app.command()(replies)
    app.add_typer(models, name="models")
