"""Files: reading and writing them safely, and what a report says about where its figures come from."""
