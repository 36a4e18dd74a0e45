"""The text on which the importance of layers is measured: a few prompts and replies of each kind."""

TEXTS = (
    "Who wrote the play Hamlet? Hamlet was written by William Shakespeare around the year 1600.",
    "Name three metals. 1. Iron 2. Copper 3. Zinc",
    "Reply in one sentence that ends with an exclamation mark: the sea is wide and blue today!",
    "All roses are flowers, and some flowers fade quickly. Do all roses fade quickly? Not necessarily.",
    "If Ana is older than Ben, and Ben is older than Cleo, then the youngest of the three is Cleo.",
    "What is 17 + 25? First 17 + 20 = 37, then 37 + 5 = 42. Answer: 42",
    "A box holds 6 eggs. Four boxes hold 4 * 6 = 24 eggs. Answer: 24",
    "def add(a, b):\n    return a + b\n\nprint(add(2, 3))  # 5",
    'Call a tool: {"name": "get_weather", "arguments": {"city": "Paris", "unit": "celsius"}}',
    "The red key is in the kitchen. The blue key is in the garden. Where is the blue key? In the garden.",
    "¿Cuál es la capital de España? La capital de España es Madrid.",
    "Quelle est la couleur du ciel ? Le ciel est bleu. Wie heißt du? Ich heiße Anna.",
)
