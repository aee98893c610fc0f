import type { Command } from "commander";
import type { Environment } from "../config";
import { SETTINGS } from "../settings";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "../fatal";
import { examine, type DoctorOptions } from "./doctor";
import { reportText } from "./finding";

export interface DoctorIo {
  readonly environment: Environment;
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
}

interface Given {
  readonly path: string;
  readonly node: readonly string[];
  readonly quick?: true;
  readonly json?: true;
}

/** Adds `doctor` to the command; `done` gets its exit code. */
export function addDoctor(program: Command, io: DoctorIo, done: (exitCode: number) => void): void {
  program
    .command("doctor")
    .description("look at a deployment that runs, as its clients reach it: does its balancer do what it should?")
    .argument("<url>", "where clients connect to: the balancer")
    .option("--path <path>", "path of the engine's requests", SETTINGS.path.fallback)
    .option("--node <url>", "port of health of one node; again for each", (url, all: string[]) => [...all, url], [])
    .option("--quick", "leave out what waits for a ping")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nIt opens a few sessions and ends them, and says nothing to the application. The environment variable DOCTOR_SECRET, with what\n" +
        "the nodes have there, lets it see which node answers and whether requests are sent again. Exit code 1: something failed.\n",
    )
    .exitOverride()
    .action(async (url: string, given: Given) => {
      done(await run(url, given, io));
    });
}

async function run(url: string, given: Given, io: DoctorIo): Promise<number> {
  const read = optionsOf(url, given, io.environment);
  if (typeof read === "string") {
    io.error(`error: ${read}\n`);
    return EXIT_USAGE;
  }
  const report = await examine(read);
  io.out(given.json === true ? `${JSON.stringify(report)}\n` : reportText(report));
  return report.ok ? EXIT_OK : EXIT_FAILED;
}

/** What is to be done, or what is wrong with it. */
function optionsOf(url: string, given: Given, environment: Environment): DoctorOptions | string {
  const urls = [url, ...given.node];
  for (const text of urls) {
    if (!/^https?:/.test(text) || !URL.canParse(text))
      return `${JSON.stringify(text)} is no URL that starts with http:// or https://`;
  }
  const { path: pathSetting, doctorSecret } = SETTINGS;
  const path = pathSetting.parse(given.path);
  if (path === undefined) return `--path is ${JSON.stringify(given.path)}; allowed is ${pathSetting.allowed}`;
  const text = environment[doctorSecret.variable] ?? "";
  const secret = text === "" ? undefined : doctorSecret.parse(text);
  if (text !== "" && secret === undefined)
    return `${doctorSecret.variable} is too short; allowed is ${doctorSecret.allowed}`;
  return {
    url: new URL(url),
    path,
    secret,
    nodes: given.node.map((node) => new URL(node)),
    quick: given.quick === true,
  };
}
