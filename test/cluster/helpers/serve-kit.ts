import assert from "node:assert/strict";
import { request } from "node:http";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { until } from "../../helpers/until";
import type { NodeAccount } from "../../helpers/cluster";
import { LineProcess } from "./line-process";

/** The tests' own application: it echoes, and gives account of its node below /__test/. */
export const TEST_APP = join(__dirname, "../../helpers/app.cjs");

/** The command itself, as users start it. */
export function serve(t: TestContext, environment: NodeJS.ProcessEnv, args: readonly string[] = []): LineProcess {
  return LineProcess.start(t, join(__dirname, "../../../cluster/cli.ts"), ["serve", ...args], {
    HOST: "127.0.0.1",
    PORT: "0",
    LOG_FORMAT: "json",
    HEALTH_PORT: "off",
    ...environment,
  });
}

export async function portOf(started: LineProcess): Promise<number> {
  const [line] = await started.logged(/^listening$/);
  return Number(line!["port"]);
}

/** Pids of the workers that have been ready, in that order. */
export function workerPids(started: LineProcess): number[] {
  return started.lines.filter(({ msg }) => msg === "worker ready").map(({ workerPid }) => Number(workerPid));
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Accounts of so many workers. Each connection comes to the next one. */
export async function accounts(port: number, workers: number): Promise<NodeAccount[]> {
  const found = new Map<number, NodeAccount>();
  await until("each worker has given account", async () => {
    const { status, body } = await ask(port, "GET", "/__test/stats");
    assert.equal(status, 200);
    const account = JSON.parse(body) as NodeAccount;
    found.set(account.pid, account);
    return found.size === workers;
  });
  return [...found.values()];
}

export interface Reply {
  readonly status: number;
  readonly body: string;
  readonly connection: string | undefined;
}

/** One request on a connection of its own. */
export function ask(port: number, method: string, path: string, content?: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, method, path, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.once("error", reject);
      response.once("end", () => {
        resolve({ status: response.statusCode ?? 0, body, connection: response.headers.connection });
      });
    });
    sent.once("error", reject);
    sent.end(content);
  });
}
