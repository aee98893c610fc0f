import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Config } from "./config";
import { HEALTH_PORT } from "./settings";
import { EXIT_FAILED, FatalError } from "./fatal";
import { errorText, type Log } from "./log";

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** The HTTP server of health and metrics. Its own, so that probes are answered before the node has joined and while it drains. */
export class HealthServer {
  readonly #server: Server;
  readonly #log: Log;

  constructor(listener: Listener, log: Log) {
    // Probes and scrapes come each on a new connection, or seldom.
    this.#server = createServer(listener);
    this.#log = log;
  }

  /** Resolves with the port, if there is one. */
  async listen({ healthPort, host }: Pick<Config, "healthPort" | "host">): Promise<number | undefined> {
    if (healthPort === "off") return undefined;
    const port = healthPort ?? HEALTH_PORT;
    try {
      const taken = await this.#listen(port, host);
      this.#log.info("health and metrics", { port: taken });
      return taken;
    } catch (error) {
      const what = `cannot listen on port ${String(port)} for health and metrics (--health-port): ${errorText(error)}`;
      // Nobody asked for this one: a second server on one machine is to start all the same.
      if (healthPort !== undefined) throw new FatalError(what, EXIT_FAILED, { cause: error });
      this.#log.info(`${what}; there are none`);
      return undefined;
    }
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #listen(port: number, host: string | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ port, host, exclusive: true }, () => {
        this.#server.off("error", reject);
        // A connection that cannot be taken is not the end of the node.
        this.#server.on("error", (error) => this.#log.warn("health and metrics", { error: error.message }));
        const address = this.#server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }
}
