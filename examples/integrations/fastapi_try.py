"""What a browser gets from `fastapi_stream.py`, over a real port: `python fastapi_try.py`, beside it."""

import threading
import time

import httpx
import uvicorn
from fastapi_stream import app

server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
threading.Thread(target=server.run, daemon=True).start()
while not server.started:
    time.sleep(0.01)
port = server.servers[0].sockets[0].getsockname()[1]

with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as browser:
    print(browser.get("/ask", params={"text": "Count down from three."}).text.replace("\n\n", "\n"))

    with browser.stream("GET", "/ask", params={"text": "Tell me a long story."}) as response:
        for line in response.iter_lines():
            print("left at", line)
            break

    answer = browser.get("/ask", params={"text": "Hello", "model": "openai/gpt-oss-21b"})
    print(answer.status_code, answer.json())

server.should_exit = True
