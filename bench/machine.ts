import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { join } from "node:path";

/** The repository: this file is compiled into dist/bench. */
export const ROOT = join(__dirname, "../..");

export interface Versions {
  readonly node: string;
  readonly ours: string;
  readonly "engine.io": string;
  readonly "@socket.io/sticky": string;
  readonly redis: string | undefined;
  readonly nats: string | undefined;
}

export function versions(): Versions {
  return {
    node: process.version,
    ours: packageVersion("."),
    "engine.io": packageVersion("node_modules/engine.io"),
    "@socket.io/sticky": packageVersion("node_modules/@socket.io/sticky"),
    redis: versionOf("redis-server"),
    nats: versionOf("nats-server"),
  };
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch}`,
  };
}

/** The version that a server's program tells; undefined where there is no such program. */
export function versionOf(program: string): string | undefined {
  try {
    const said = execFileSync(program, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    return /v=?(\d+\.\d+\.\d+)/.exec(said)?.[1] ?? said.trim();
  } catch {
    return undefined;
  }
}

function packageVersion(folder: string): string {
  const { version } = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8")) as { version?: string };
  return version ?? "unknown";
}
