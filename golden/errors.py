"""The one exception that means "the user's input is wrong", as opposed to a defect of this program."""


class InputError(ValueError):
    """Bad input, described in one sentence: what, the rule, the value, and the remedy if there is one.

    The command line prints the sentence and exits with status 2; library users catch it as a ``ValueError``.
    """


class InputTypeError(InputError, TypeError):
    """Bad input of the wrong type: a ``TypeError``, too."""
