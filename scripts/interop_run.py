"""Runs the table of `interop_cases.py` with both clients and prints what came: interop_run.py BASE_URL."""

from __future__ import annotations

import asyncio
import sys
import traceback

from interop_cases import CASES, Bench, Case, Differs
from tiny_server import KEY

from wandb_inference import AsyncClient, Client, acompletion, completion


async def outcome(case: Case, bench: Bench) -> tuple[str, str]:
    """`ok`, `differs` or `FAILED`, and what there is to say."""
    try:
        return "ok", await case(bench)
    except Differs as difference:
        return "differs", str(difference)
    except Exception:
        return "FAILED", traceback.format_exc().strip()


async def main(base_url: str) -> int:
    """1 if a client failed, else 0."""
    failed = False
    with Client(base_url=base_url, api_key=KEY, project="", max_retries=0) as client:
        async with AsyncClient(base_url=base_url, api_key=KEY, project="", max_retries=0) as async_client:
            sides = [Bench(client, completion, base_url), Bench(async_client, acompletion, base_url)]
            for name, case in CASES.items():
                results = [await outcome(case, side) for side in sides]
                kinds = [kind for kind, _ in results]
                failed = failed or "FAILED" in kinds
                same = kinds[0] == kinds[1]
                for side, (kind, note) in zip(("Client", "AsyncClient"), results, strict=True):
                    if same and side == "AsyncClient" and kind != "FAILED":
                        continue
                    who = "" if same and kind != "FAILED" else f"{side}: "
                    print(
                        f"{name:<26} {kind:<8} {who}{note if kind == 'FAILED' else ' '.join(note.split())}", flush=True
                    )
    return int(failed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))
