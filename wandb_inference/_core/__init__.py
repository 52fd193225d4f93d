"""Everything the client decides: plain functions and small state machines that never wait."""
