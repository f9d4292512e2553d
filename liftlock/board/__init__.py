"""What runs where, and why, as one page."""
