"""The parameters of an integer Mamba-1 as one binary file, as hardware reads them from its memory."""
