"""W&B Inference on this machine: an emulator to build and test against, without a key and without the network.

```python
from wandb_inference import Client
from wandb_inference.testing import Cassette, Emulator, Fault

emulator = Emulator()
client = emulator.client()  # in process: no port, no extra

emulator.reply("Paris.")
emulator.fault(Fault.cut(after_chunks=3))
assert emulator.requests[0].model == "meta-llama/Llama-3.1-8B-Instruct"

client = Cassette("cassettes/hello.json").client()  # the real answers, recorded once and played ever after
```
"""

from __future__ import annotations

# The pytest plugin lives in this package and is loaded by every pytest run where we are installed, so that this module
# must cost nothing: names are loaded on first use.
TYPE_CHECKING = False  # checkers read this name as true
if TYPE_CHECKING:
    from ._cassette import Cassette as Cassette
    from ._emulator import Emulator as Emulator
    from ._faults import Fault as Fault
    from ._misses import CassetteMissError as CassetteMissError
    from ._replies import Reply as Reply
    from ._requests import RecordedRequest as RecordedRequest
    from ._transport import EmulatorTransport as EmulatorTransport
else:
    _HOME = {
        "Cassette": "_cassette",
        "CassetteMissError": "_misses",
        "Emulator": "_emulator",
        "EmulatorTransport": "_transport",
        "Fault": "_faults",
        "RecordedRequest": "_requests",
        "Reply": "_replies",
    }
    __all__ = sorted(_HOME)

    def __getattr__(name):
        from importlib import import_module

        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value  # later accesses do not come here
        return value

    def __dir__():
        return __all__
