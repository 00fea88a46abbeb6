"""Serves the app: `python app.py`, then open the address it prints."""

from __future__ import annotations

import argparse
import signal
import sys


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 after an interrupt, 1 with one sentence if the page cannot be served."""
    parser = argparse.ArgumentParser(description="Watch a masked diffusion language model decode.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (127.0.0.1)")
    parser.add_argument("--port", type=int, default=7860, help="port to listen at (7860)")
    parser.add_argument("--store", default="runs", help="folder that finished runs go to (./runs)")
    given = parser.parse_args(arguments)

    from dlmviz import ui
    from dlmviz.types import InputError

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end it in good order
    try:
        ui.launch(given.host, given.port, given.store)
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
