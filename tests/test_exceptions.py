from __future__ import annotations

import copy
import pickle

import pytest

from wandb_inference import exceptions
from wandb_inference.exceptions import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AttemptRecord,
    ConcurrencyLimitError,
    ConfigurationError,
    InternalServerError,
    InvalidRequestError,
    ModelNotFoundError,
    NotFoundError,
    QuotaExceededError,
    RateLimitError,
    RequestProblem,
    ServiceUnavailableError,
    StreamInterruptedError,
)
from wandb_inference.types import ChatCompletion, CompletionUsage, Meta

CLASSES = [cls for name in exceptions.__all__ if issubclass(cls := getattr(exceptions, name), APIError)]
RECORDS = (
    AttemptRecord(503, "overloaded", "answered", 0.0, 0.5, "r1"),
    AttemptRecord(200, None, "answered", 0.5, 0.5, "r2"),
)
PARTIAL = ChatCompletion.model_validate(
    {"choices": [{"message": {"content": "so far"}}], "usage": {"completion_tokens": 2}}
)
META = Meta("r2", 200, {"x": "1"}, RECORDS, 0.5, 0.6, 0.9, 2)

STATUS = {
    "status_code": 418,
    "code": "c",
    "type": "t",
    "param": "p",
    "request_id": "r",
    "headers": {"x": "1"},
    "body": {"error": {"message": "m"}},
    "retry_after": 1.5,
}


def arguments(cls):
    """Every argument of a class, each with a value of its own."""
    if issubclass(cls, ModelNotFoundError):
        return {**STATUS, "suggestions": ["a", "b"], "successor": "c", "hint": "h"}
    if issubclass(cls, APIStatusError):
        return {**STATUS, "hint": "h"}
    if cls is APIResponseValidationError:
        return {"status_code": 201, "request_id": "r", "headers": {"x": "1"}, "body": "<html>", "hint": "h"}
    if cls is InvalidRequestError:
        return {"errors": [RequestProblem("n", 0, "at least 1")], "hint": "h"}
    return {"clock": "stall", "hint": "h"} if cls is APITimeoutError else {"hint": "h"}


@pytest.mark.parametrize("cls", CLASSES)
def test_with_just_a_message(cls):
    """Any error can be built in a test with a message alone, and raised."""
    with pytest.raises(cls) as caught:
        raise cls("no luck")

    error = caught.value
    assert error.message == "no luck"
    assert str(error).endswith("no luck")
    assert (error.hint, error.attempts, error.partial, error.text, error.usage, error.meta) == (
        None,
        (),
        None,
        None,
        None,
        None,
    )


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    "clone",
    [
        copy.copy,
        copy.deepcopy,
        *(lambda error, p=protocol: pickle.loads(pickle.dumps(error, p)) for protocol in range(6)),
    ],
)
def test_copies(cls, clone):
    """Every error pickles and copies with all its attributes, what had arrived of a stream included."""
    error = cls("no luck", **arguments(cls))
    error.attempts, error.partial, error.meta = RECORDS, PARTIAL, META

    again = clone(error)

    assert type(again) is cls
    assert vars(again) == vars(error)
    assert again.args == error.args == ("no luck",)
    assert str(again) == str(error)
    assert again.text == "so far"
    assert again.usage == PARTIAL.usage


@pytest.mark.parametrize("cls", CLASSES)
def test_arguments_are_attributes(cls):
    """What is given can be read."""
    error = cls("no luck", **arguments(cls))

    for name, value in arguments(cls).items():
        found = getattr(error, name)
        assert found == (tuple(value) if isinstance(found, tuple) else value)


def test_headers_are_a_copy():
    """Later changes to what was given don't reach the error."""
    headers = {"x": "1"}

    error = APIStatusError("m", headers=headers)
    headers["x"] = "2"

    assert error.headers == {"x": "1"}


@pytest.mark.parametrize(
    ("cls", "status"),
    [
        ("BadRequestError", 400),
        ("AuthenticationError", 401),
        ("QuotaExceededError", 402),
        ("PermissionDeniedError", 403),
        ("NotFoundError", 404),
        ("ModelNotFoundError", 404),
        ("ConflictError", 409),
        ("UnprocessableEntityError", 422),
        ("RateLimitError", 429),
        ("ConcurrencyLimitError", 429),
        ("InternalServerError", 500),
        ("ServiceUnavailableError", 503),
        ("APIStatusError", 500),
    ],
)
def test_default_statuses(cls, status):
    """Without a status an error has the one of its class, and the text shows it."""
    error = getattr(exceptions, cls)("no luck")

    assert error.status_code == status
    assert str(error) == f"{status}: no luck"


@pytest.mark.parametrize(
    ("cls", "parents"),
    [
        (ConfigurationError, (APIError, ValueError)),
        (InvalidRequestError, (APIError, ValueError)),
        (APITimeoutError, (APIConnectionError, TimeoutError)),
        (StreamInterruptedError, (APIConnectionError,)),
        (ModelNotFoundError, (NotFoundError, APIStatusError)),
        (ConcurrencyLimitError, (RateLimitError, APIStatusError)),
        (ServiceUnavailableError, (InternalServerError, APIStatusError)),
        (APIResponseValidationError, (APIError,)),
    ],
)
def test_tree(cls, parents):
    """Each class is where the tree has it."""
    assert all(issubclass(cls, parent) for parent in parents)


def test_apart():
    """What is handled in another way is of another branch."""
    assert not issubclass(QuotaExceededError, RateLimitError)
    assert not issubclass(APIResponseValidationError, (APIStatusError, APIConnectionError))
    assert not issubclass(APIStatusError, APIConnectionError)


def test_the_tree_is_drawn():
    """The drawing in the module's docstring has every class."""
    drawing = (exceptions.__doc__ or "").split("```")[1]

    assert {line.split("─ ")[-1].split()[0] for line in drawing.splitlines()[1:] if line} == {
        cls.__name__ for cls in CLASSES
    }


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (APIError("no luck"), "no luck"),
        (APIError("no luck", hint="Try again."), "no luck. Try again."),
        (APIError("No luck!", hint="Try again."), "No luck! Try again."),
        (APIStatusError("no luck", status_code=418, request_id="r"), "418: no luck (r)"),
        (RateLimitError("Slow down.", hint="Wait."), "429: Slow down. Wait."),
        (RateLimitError("Slow down.", request_id="r", hint="Wait."), "429: Slow down. (r). Wait."),
    ],
)
def test_text(error, text):
    """The text is the status, the message and the request id, then the hint."""
    assert str(error) == text


def test_text_with_attempts():
    """More than one attempt is worth a word."""
    error = APIStatusError("no luck", hint="Try again.")

    error.attempts = RECORDS[:1]
    assert str(error) == "500: no luck. Try again."
    error.attempts = RECORDS
    assert str(error) == "500: no luck [2 attempts]. Try again."


def test_what_had_arrived():
    """Text and usage are those of the partial completion."""
    error = StreamInterruptedError("cut")
    error.partial = PARTIAL

    assert error.text == "so far"
    assert error.usage is PARTIAL.usage


def test_subclasses_of_users():
    """A class of a user's own copies as well, whatever its arguments are."""
    error = OwnError(7)

    again = pickle.loads(pickle.dumps(error))

    assert (type(again), again.number, str(again)) == (OwnError, 7, "number 7")


class OwnError(APIError):
    def __init__(self, number: int) -> None:
        super().__init__(f"number {number}")
        self.number = number


def test_parse_errors():
    """An error about an answer has its text and usage, unless others are given."""
    usage = CompletionUsage(total_tokens=9)
    error = exceptions.ParseError("no", completion=PARTIAL)
    other = exceptions.ParseError("no", completion=PARTIAL, text="b", usage=usage, rounds=[PARTIAL, PARTIAL])

    assert (error.text, error.usage, error.rounds) == (PARTIAL.text, PARTIAL.usage, (PARTIAL,))
    assert (other.text, other.usage, other.rounds) == ("b", usage, (PARTIAL, PARTIAL))
    assert isinstance(exceptions.LengthFinishReasonError("m"), exceptions.ParseError)
    assert isinstance(exceptions.ContentFilterFinishReasonError("m"), exceptions.ParseError)
