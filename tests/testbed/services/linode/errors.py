"""The API's error body: `{"errors": [{"field": …, "reason": …}]}` (linode.md §1.7)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """One entry of an error body; `field` is absent where the API names none."""

    reason: str
    field: str | None = None

    def body(self) -> dict[str, str]:
        """As it stands in the JSON."""
        return {"reason": self.reason} if self.field is None else {"reason": self.reason, "field": self.field}


class ApiError(Exception):
    """A request that the API refuses, with its status and reasons."""

    def __init__(self, status: int, *reasons: Reason, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status}: {'; '.join(reason.reason for reason in reasons)}")
        self.status, self.reasons, self.headers = status, reasons, headers or {}

    def body(self) -> dict:
        """The JSON body."""
        return {"errors": [reason.body() for reason in self.reasons]}


def refuse(reason: str, field: str | None = None, status: int = 400) -> ApiError:
    """A refusal with a single reason."""
    return ApiError(status, Reason(reason, field))


NOT_FOUND = Reason("Not found")
