import { withoutPassword, type Config } from "./config";

/** What a person sees who started the server: where it is, how it is made, and what to try. */
export function banner(config: Config, port: number): string {
  const address = `http://${shownHost(config.host)}:${String(port)}`;
  return [
    "",
    `  engine.io-cluster is listening on ${address}/`,
    "",
    ...shape(config).map((line) => `    ${line}`),
    "",
    "  Try:",
    ...toTry(config, address).map((line) => `    ${line}`),
    "",
    "",
  ].join("\n");
}

function shownHost(host: string | undefined): string {
  if (host === undefined || host === "0.0.0.0" || host === "::") return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}

function shape(config: Config): string[] {
  const { redis, nats, workers, balancer } = config;
  const sessions =
    redis !== undefined && nats !== undefined
      ? `records in Redis (${withoutPassword(redis)}), nodes connected by NATS (${withoutPassword(nats)})`
      : workers > 1
        ? "records in this process's memory (embedded; --redis and --nats make it a cluster of many machines)"
        : "records in this process's memory: no cluster, sessions end with the process";
  if (workers === 1) return ["1 node: this process", sessions];
  const spread =
    balancer === "front"
      ? "each request goes to the next worker, and to another one if that dies under it"
      : balancer === "sticky"
        ? "requests go to the worker where their session began, while it lives"
        : "each connection goes to the next worker";
  return [`${String(workers)} workers; ${spread}`, sessions];
}

function toTry(config: Config, address: string): string[] {
  const handshake = `curl '${address}${config.path}/?EIO=4&transport=polling'`;
  if (config.app !== undefined) return [handshake];
  const { workers, redis, demoKill } = config;
  const kill = (workers > 1 || redis !== undefined) && demoKill;
  return [
    `open ${address}/ and send messages: another worker answers each request`,
    ...(kill ? ["kill the worker that owns your session, by the button there: the session goes on elsewhere"] : []),
    handshake,
    ...(kill ? ["(the button is there for everybody who can open the page; DEMO_KILL=0 takes it away)"] : []),
    "Ctrl-C stops",
  ];
}
