"""`python -m wandb_inference` is the command `wandb-inference`."""

from __future__ import annotations

import sys

from wandb_inference.cli import main

if __name__ == "__main__":
    sys.exit(main())
