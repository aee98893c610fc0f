import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface RoundRobin {
  readonly url: string;
  stop(): Promise<void>;
}

/** Gives each connection to the next port. A client without keep-alive has each request on the next node. */
export async function roundRobin(ports: readonly number[]): Promise<RoundRobin> {
  let turn = 0;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(ports[turn++ % ports.length] ?? 0, "127.0.0.1");
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(one);
      one.setNoDelay(true);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        for (const socket of open) socket.destroy();
      }),
  };
}
