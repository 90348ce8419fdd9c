"""Run by two processes in `test_data_parallel`: commands of a JSON file, one after another, until one fails."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from cytosae_toolkit.cli.main import app
from cytosae_toolkit.training import plan

if __name__ == "__main__":
    plan.seconds_per_call = lambda function, seconds=0.0: 1e-3  # no trials
    for arguments in json.loads(Path(sys.argv[1]).read_text()):
        code = app([text.replace("{rank}", os.environ["RANK"]) for text in arguments], standalone_mode=False)
        if code:
            sys.exit(code)
