"""`python -m joint.sweeps.trial key=value …`: what a W&B agent starts for each trial of a sweep."""

from __future__ import annotations

import os
import sys

from joint.sweeps.server import trial_arguments
from joint.train import main

if __name__ == "__main__":
    sys.exit(main(trial_arguments(sys.argv[1:], os.environ)))
