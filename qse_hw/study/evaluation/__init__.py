"""What ``eval`` measures, its report (JSON) and its tables."""
