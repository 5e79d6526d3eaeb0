"""The evidence room."""


def evidence() -> None: ...
