"""Kodosumi's own panel application, served on a loopback port without a Ray cluster.

Prints one line, ``listening on http://127.0.0.1:PORT``, once it accepts connections, and runs
until it is terminated: the same manners as ``twinfs serve``, so that one fixture starts either.
Everything kodosumi writes (uploads, runs, user database, logs) goes below ``--data``.
"""

import argparse
import os
import socket
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--user", default="admin:admin")
    parser.add_argument("--secret-file", type=Path)
    args = parser.parse_args()

    data = args.data.resolve()
    data.mkdir(parents=True, exist_ok=True)
    name, password = args.user.split(":", 1)
    if name != "admin":
        parser.error("kodosumi creates exactly one user by itself, and its name is 'admin'")
    # Kodosumi reads its settings from the environment when its modules are imported.
    settings = {
        "EXEC_DIR": data / "execution",
        "UPLOAD_DIR": data / "uploads",
        "ADMIN_DATABASE": f"sqlite+aiosqlite:///{data / 'admin.db'}",
        "ADMIN_PASSWORD": password,
        "APP_LOG_FILE": data / "app.log",
        "APP_STD_LEVEL": "ERROR",
        "SPOOLER_LOG_FILE": data / "spooler.log",
        "YAML_BASE": data / "config" / "config.yaml",
    }
    if args.secret_file:
        settings["SECRET_KEY"] = args.secret_file.read_text().removesuffix("\n")
    os.environ.update({f"KODO_{key}": str(value) for key, value in settings.items()})
    os.chdir(data)

    import uvicorn
    from kodosumi.service import app as panel

    async def without_cluster(*_: object) -> None:
        """The files API needs no Ray; the hooks replaced by this one connect to a cluster."""

    panel.startup = panel.shutdown = without_cluster

    host, port = args.listen.rsplit(":", 1)
    listener = socket.create_server((host, int(port)), backlog=1024)

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(f"listening on http://{host}:{listener.getsockname()[1]}", flush=True)

    # The settings uvicorn gets from kodosumi.service.server, TLS aside.
    config = uvicorn.Config(
        panel.create_app(),
        log_level="error",
        access_log=False,
        headers=[("server", "kodosumi service")],
    )
    Announcing(config).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
