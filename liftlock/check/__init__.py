"""Everything a pull request must satisfy, offline and without credentials."""
