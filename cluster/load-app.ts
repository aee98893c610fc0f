import type { Server as HttpServer } from "node:http";
import { createRequire } from "node:module";
import { isAbsolute, join, resolve } from "node:path";
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Server } from "../src/index";
import { EXIT_USAGE, FatalError } from "./fatal";
import { errorText, type Log } from "./log";

/** What an application may want to know of where it runs. */
export interface AppContext {
  /** Path of the engine's requests. */
  readonly path: string;
  /** Name of this worker, for people. */
  readonly worker: string;
  readonly log: Log;
}

/**
 * An application: puts its listeners on the engine and on the HTTP server. Called before the node joins the cluster, so that no
 * session is adopted without its handlers; where it returns a promise, that is waited for.
 */
export type App = (engine: Server, httpServer: HttpServer, context: AppContext) => unknown;

/** Loads an application from a path, relative to `from`, or from a package that is installed there. */
export async function loadApp(name: string, from: string): Promise<App> {
  let loaded: unknown;
  try {
    loaded = await import(pathToFileURL(locate(name, from)).href);
  } catch (error) {
    throw new FatalError(
      `the application ${JSON.stringify(name)} (--app, APP) does not load: ${errorText(error)}`,
      EXIT_USAGE,
      {
        cause: error,
      },
    );
  }
  const app = defaultExport(loaded);
  if (app === undefined) {
    throw new FatalError(
      `the application ${JSON.stringify(name)} (--app, APP) has no function as its default export (CommonJS: module.exports); ` +
        `expected is (engine, httpServer) => void`,
      EXIT_USAGE,
    );
  }
  return app;
}

function locate(name: string, from: string): string {
  const path = resolve(from, name);
  const isPath = isAbsolute(name) || name.startsWith(".") || existsSync(path);
  return createRequire(join(from, "package.json")).resolve(isPath ? path : name);
}

/** CommonJS by `import()` is `{ default: module.exports }`, and what compilers make of `export default` one level deeper. */
function defaultExport(loaded: unknown): App | undefined {
  let value = loaded;
  for (let depth = 0; depth < 2; depth++) {
    if (typeof value !== "object" || value === null || !("default" in value)) return undefined;
    value = value.default;
    if (typeof value === "function") return value as App;
  }
  return undefined;
}
