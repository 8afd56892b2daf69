"""`python -m inference`: compute every topic's answer ahead of time and serve it."""

from inference.http.server import serve
from node.start import start

if __name__ == "__main__":
    start("inference", serve, follows=False)
