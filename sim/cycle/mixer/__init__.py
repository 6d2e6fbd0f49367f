"""A mixer with all its units: when everything passes."""
