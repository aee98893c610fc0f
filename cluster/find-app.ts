import type { Config } from "./config";
import { createDemo } from "./demo/app";
import { loadApp, type App } from "./load-app";

/** The application that a configuration names: its module, or the demo page. */
export function findApp(config: Config): Promise<App> {
  return config.app === undefined
    ? Promise.resolve(createDemo({ kill: config.demoKill }))
    : loadApp(config.app, process.cwd());
}
