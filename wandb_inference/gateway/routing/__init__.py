"""Who serves a request, and what happens when that fails: decisions alone, which never wait.

Time is an argument, `now` in seconds of any clock that never goes back, and so is chance. One event loop owns a router.
"""

from __future__ import annotations

from ._admission import Remaining, Ticket
from ._counting import Ledger, LocalLedger, Meter, Purse
from ._line import Waiter
from ._plan import Plan
from ._router import Router, Status
from ._sharing import share_of
from ._shortcut import Ride
from ._telling import error_of
from ._values import Caller, Failure, Finished, Pick, Queue, Sleep, Step, Usage, Wishes

__all__ = [
    "Caller",
    "Failure",
    "Finished",
    "Ledger",
    "LocalLedger",
    "Meter",
    "Pick",
    "Plan",
    "Purse",
    "Queue",
    "Remaining",
    "Ride",
    "Router",
    "Sleep",
    "Status",
    "Step",
    "Ticket",
    "Usage",
    "Waiter",
    "Wishes",
    "error_of",
    "share_of",
]
