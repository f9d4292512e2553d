"""What people write about a model service, parsed once at the edge into frozen, typed values."""
