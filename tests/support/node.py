"""JavaScript in Node, where it is installed."""

import json
import shutil
import subprocess
from typing import Any

import pytest


def run_script(script: str) -> Any:
    """What the script prints, as JSON. Skips the test, with the reason, where there is no Node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no JavaScript: node is not installed")
    done = subprocess.run([node, "-"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
