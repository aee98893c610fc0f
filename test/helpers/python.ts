import { spawnSync } from "node:child_process";

const IMPORTS = "import engineio, socketio, requests, websocket, aiohttp";

/** A Python that has the clients, if there is one: Debian's has them from Debian's packages, and need not be the first on the PATH. */
export function pythonWithClients(): string | undefined {
  return ["python3", "/usr/bin/python3"].find((python) => spawnSync(python, ["-c", IMPORTS]).status === 0);
}
