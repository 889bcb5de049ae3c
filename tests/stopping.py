"""The process that test_stopping.py stops: python -m tests.stopping FLAGS. The app itself, beside a thread that is busy for a minute.

X-ray has such a thread while it loads a model: Python waits for it at its end.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import app
from chatapp.settings import parse

if __name__ == "__main__":
    ThreadPoolExecutor(1).submit(time.sleep, 60)
    app.main(parse(sys.argv[1:]))
