"""The app: the only room that knows gradio. It opens on a recorded run without importing torch."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

from dlmviz.jobs.attend import attended
from dlmviz.types import InputError
from dlmviz.ui.quick import no_stubs

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read once, when gradio is imported
with no_stubs():
    import gradio as gr

from dlmviz.ui import (
    analyse,
    animation,
    bundle,
    compare,
    distil,
    export,
    inspect,
    learn,
    library,
    look,
    shelves,
    words,
)

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def build(shelf: shelves.Shelves) -> gr.Blocks:
    """The page, not served yet."""
    demo = gr.Blocks(
        title="dlmviz", analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)
    )
    with demo:
        library.bar()
        inspect.page(shelf)
        compare.page(shelf)
        library.page()
        analyse.page()
        distil.page()
    demo.queue(default_concurrency_limit=4, max_size=32)
    return demo


def launch(host: str, port: int, store: str | Path) -> None:
    """Serves the page until it is interrupted. Raises InputError for an address in use."""
    check_free(host, port)
    with tempfile.TemporaryDirectory(prefix="dlmviz-") as spare:
        shelf = shelves.Shelves(shelves.GALLERY, Path(store), Path(spare))
        library.tidy(shelf.store)
        demo = build(shelf)
        demo.launch(
            server_name=host,
            server_port=port,
            share=False,
            run_history=False,
            footer_links=[],
            max_file_size="64mb",
            ssr_mode=False,
            quiet=True,
            prevent_thread_lock=True,
            app_kwargs={
                "routes": [
                    *animation.routes(shelf),
                    *shelves.routes(shelf),
                    *library.routes(shelf),
                    *export.routes(shelf),
                    *learn.routes(shelf),
                    *distil.routes(shelf),
                    *compare.routes(shelf),
                    *analyse.routes(shelf),
                ],
                "middleware": shelves.middleware(),
            },
            theme=look.theme(),
            head=bundle.head(),
            i18n=words.I18N,
        )
        print(f"dlmviz is at {demo.local_url} (Ctrl+C ends it)", flush=True)
        if host not in LOOPBACK:
            print("Everyone who can reach this machine can use the page.", flush=True)
        with attended(store):
            demo.block_thread()


def check_free(host: str, port: int) -> None:
    """Raises InputError, saying what to do, if nothing can listen at this address."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot listen at {host}:{port}: {error}; "
            "stop what listens there, or give another --port"
        ) from error
