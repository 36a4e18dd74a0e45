"""Heat maps of the transfer matrix, one per budget."""

from matplotlib.figure import Figure

from readsim.plots.transfer import draw_transfer
from studies.transfer_matrix.measured import Measured


def draw_matrix(measured: Measured) -> Figure:
    """Rows are trained on, columns measured; points. Entries that may be 0 are pale."""
    return draw_transfer(
        100.0 * measured.matrix,
        measured.significant,
        measured.sources,
        measured.capabilities,
        measured.budgets,
        "Change in points of the column's capability by training on the row's source alone; mean over "
        f"{measured.change.shape[2]} seeds, test split. Pale: not told apart from 0 (paired items, "
        "false discoveries at 10 %).",
    )
