"""The gate: recorded samples in, a verdict with its evidence out. Pure; the file readers are its only edge."""
