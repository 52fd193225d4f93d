"""Typed Python client for W&B Inference: chat completions, whole or streamed, blocking or async.

    from wandb_inference import Client

    client = Client(project="team/project")  # the key comes from WANDB_API_KEY
    answer = client.chat.completions.create(
        model="meta-llama/Llama-3.1-8B-Instruct",
        messages=[{"role": "user", "content": "Name a prime above 100."}],
    )
    print(answer.text)

Importing this package loads nothing else; each name loads what it needs when it is first used.
"""

TYPE_CHECKING = False  # checkers read this name as true; importing typing would cost 7 ms
if TYPE_CHECKING:
    from . import exceptions as exceptions
    from . import testing as testing
    from . import tracing as tracing
    from . import transports as transports
    from . import types as types
    from ._chat_stream import AsyncChatStream as AsyncChatStream
    from ._chat_stream import ChatStream as ChatStream
    from ._client import AsyncClient as AsyncClient
    from ._client import Client as Client
    from ._completion import acompletion as acompletion
    from ._completion import completion as completion
    from ._conversation import AsyncConversation as AsyncConversation
    from ._conversation import Conversation as Conversation
    from ._core.tools import Tool as Tool
    from ._core.tools import tool as tool
    from ._images import image as image
    from ._lora import lora as lora
    from ._money.budget import Budget as Budget
    from ._money.budget import budget as budget
    from ._money.cost import completion_cost as completion_cost
    from ._money.price import Price as Price
    from ._money.totals import UsageTotals as UsageTotals
    from ._network import Network as Network
    from ._streaming import AsyncStream as AsyncStream
    from ._streaming import Stream as Stream
    from ._tool_stream import AsyncToolStream as AsyncToolStream
    from ._tool_stream import ToolStream as ToolStream
    from ._version import __version__ as __version__
    from .exceptions import APIConnectionError as APIConnectionError
    from .exceptions import APIError as APIError
    from .exceptions import APIResponseValidationError as APIResponseValidationError
    from .exceptions import APIStatusError as APIStatusError
    from .exceptions import APITimeoutError as APITimeoutError
    from .exceptions import AuthenticationError as AuthenticationError
    from .exceptions import BadRequestError as BadRequestError
    from .exceptions import BudgetExceededError as BudgetExceededError
    from .exceptions import ConcurrencyLimitError as ConcurrencyLimitError
    from .exceptions import ConfigurationError as ConfigurationError
    from .exceptions import ConflictError as ConflictError
    from .exceptions import ContentFilterFinishReasonError as ContentFilterFinishReasonError
    from .exceptions import InternalServerError as InternalServerError
    from .exceptions import InvalidRequestError as InvalidRequestError
    from .exceptions import LengthFinishReasonError as LengthFinishReasonError
    from .exceptions import ModelNotFoundError as ModelNotFoundError
    from .exceptions import NotFoundError as NotFoundError
    from .exceptions import ParseError as ParseError
    from .exceptions import PermissionDeniedError as PermissionDeniedError
    from .exceptions import QuotaExceededError as QuotaExceededError
    from .exceptions import RateLimitError as RateLimitError
    from .exceptions import ServiceUnavailableError as ServiceUnavailableError
    from .exceptions import StreamInterruptedError as StreamInterruptedError
    from .exceptions import ToolRoundsExceededError as ToolRoundsExceededError
    from .exceptions import UnprocessableEntityError as UnprocessableEntityError
else:
    _ERRORS = (
        "APIConnectionError APIError APIResponseValidationError APIStatusError APITimeoutError AuthenticationError "
        "BadRequestError BudgetExceededError ConcurrencyLimitError ConfigurationError ConflictError "
        "InternalServerError InvalidRequestError ModelNotFoundError NotFoundError PermissionDeniedError "
        "QuotaExceededError RateLimitError ServiceUnavailableError StreamInterruptedError UnprocessableEntityError "
        "ContentFilterFinishReasonError LengthFinishReasonError ParseError ToolRoundsExceededError"
    )
    _HOME = {
        "exceptions": "",  # a submodule: its home is the package itself
        "testing": "",
        "tracing": "",
        "transports": "",
        "types": "",
        "AsyncChatStream": "_chat_stream",
        "AsyncClient": "_client",
        "AsyncConversation": "_conversation",
        "AsyncStream": "_streaming",
        "AsyncToolStream": "_tool_stream",
        "Budget": "_money.budget",
        "ChatStream": "_chat_stream",
        "Client": "_client",
        "Conversation": "_conversation",
        "Network": "_network",
        "Price": "_money.price",
        "Stream": "_streaming",
        "Tool": "_core.tools",
        "ToolStream": "_tool_stream",
        "UsageTotals": "_money.totals",
        "__version__": "_version",
        "acompletion": "_completion",
        "budget": "_money.budget",
        "completion": "_completion",
        "completion_cost": "_money.cost",
        "image": "_images",
        "lora": "_lora",
        "tool": "_core.tools",
        **dict.fromkeys(_ERRORS.split(), "exceptions"),
    }
    __all__ = sorted(_HOME.keys() - {"tracing"})  # which needs an extra: `import *` does not

    def __getattr__(name):
        from importlib import import_module

        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = import_module(f".{_HOME[name] or name}", __name__)
        value = getattr(home, name) if _HOME[name] else home
        globals()[name] = value  # later accesses do not come here
        return value

    def __dir__():
        return sorted(_HOME)
