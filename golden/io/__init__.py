"""Files: reading and writing them safely, and the origin of a report's figures."""
