"""How a tool tells the model to try again."""


class ToolRetry(Exception):
    """Raise it in a tool when the model can do better: its text answers the call, and the model may call again.

    For what the model cannot mend, raise any other exception.
    """


class ToolDeferred(Exception):
    """Raised by a tool whose result comes later from outside: the run pauses until `Answer(call_id, value)` is given.

    `reason` is shown to whoever looks at the paused run.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
