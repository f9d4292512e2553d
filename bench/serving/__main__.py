"""`python -m bench.serving`: measure and print, in about two minutes."""

from bench.serving.compare import measure
from bench.table import print_table

if __name__ == "__main__":
    print_table(measure())
