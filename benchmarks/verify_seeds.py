"""Prove every exercise on many secret inputs, and write how often a right answer failed or a wrong one passed.

python benchmarks/verify_seeds.py --seeds 100       # all assignments; about an hour on one core
python benchmarks/verify_seeds.py --seeds 10 mdp    # one assignment, nothing written
"""

from __future__ import annotations

import argparse
import sys

from evidence import ROOT, write_record

from autograder.authoring.release import assignment_folders
from autograder.authoring.verify import print_verification, verify
from autograder.course import Course


def main() -> int:
    """Run, print, write the record of all assignments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assignments", nargs="*", help="all if none is named; only then a record is written")
    parser.add_argument("--seeds", type=int, default=100, help="sets of secret inputs (default 100)")
    options = parser.parse_args()
    folders = assignment_folders(Course.at(), options.assignments)
    report = verify(folders, options.seeds)
    status = print_verification(report)
    if not options.assignments:
        tries, problems = sum(report.counts.values()), len(report.problems)
        sources = [str(path.relative_to(ROOT)) for folder in folders for path in sorted(folder.glob("*.py"))]
        write_record(
            name="grading-verify-seeds",
            claim=f"On {options.seeds} sets of secret inputs, {problems} of {tries:,} statements about right and wrong "
            "answers to the exercises did not hold.",
            value=problems,
            unit="statements that did not hold",
            sources=sources,
            packages=["torch", "numpy", "gymnasium"],
            seeds=options.seeds,
            counts=dict(report.counts),
            problems=report.problems,
        )
        print("the record is benchmarks/results/grading-verify-seeds.json")
    return status


if __name__ == "__main__":
    sys.exit(main())
