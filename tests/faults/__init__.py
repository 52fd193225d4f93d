"""What the network and the other side can do to a call, and what the caller is told: real sockets, no mocks."""
