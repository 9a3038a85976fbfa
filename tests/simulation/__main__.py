"""`python -m tests.simulation`: more seeds than the suite plays, one seed again, mutants, times."""

from __future__ import annotations

import sys
from pathlib import Path

# As pytest has it: tests are imported by their folder, `simulation.story` and not `tests.…`.
sys.path.insert(0, str(Path(__file__).parents[1]))

from simulation.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
