"""How a tool tells the model to try again."""


class ToolRetry(Exception):
    """Raise it in a tool when the model can do better: its text answers the call, and the model may call again.

    For what the model cannot mend, raise any other exception.
    """
