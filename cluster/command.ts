import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Command, CommanderError, Option } from "commander";
import { readConfig, type Config, type Environment } from "./config";
import { fallbackText, SETTINGS, type Setting } from "./settings";
import { addDoctor } from "./doctor/command";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, FatalError } from "./fatal";
import { serve } from "./serve";

export interface CommandIo {
  readonly environment: Environment;
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  readonly serve: (config: Config) => Promise<number>;
}

const PROCESS_IO: CommandIo = {
  environment: process.env,
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
  serve,
};

/** Runs the command line; resolves with the exit code. */
export async function runCommand(args: readonly string[], io: CommandIo = PROCESS_IO): Promise<number> {
  let exitCode: number = EXIT_OK;
  const program = new Command("engine.io-cluster")
    .description("An Engine.IO server whose sessions belong to the cluster, not to a process.")
    .version(packageVersion())
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.error });
  const command = program.command("serve").description("serve sessions, until SIGTERM or SIGINT").exitOverride();
  for (const spec of Object.values<Setting<unknown>>(SETTINGS)) addOption(command, spec);
  command.addHelpText("after", environmentHelp());
  command.action(async (options: Record<string, string | true>) => {
    // commander names what it read after the option: `--ping-interval` is `pingInterval`, the setting's own name.
    exitCode = await serveWith(asTexts(options), io);
  });
  addDoctor(program, io, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    throw error;
  }
  return exitCode;
}

async function serveWith(given: Environment, io: CommandIo): Promise<number> {
  const read = readConfig(given, io.environment);
  if (!read.ok) {
    for (const problem of read.problems) io.error(`error: ${problem}\n`);
    return EXIT_USAGE;
  }
  try {
    return await io.serve(read.config);
  } catch (error) {
    if (error instanceof FatalError) io.error(`error: ${error.message}\n`);
    else io.error(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return error instanceof FatalError ? error.exitCode : EXIT_FAILED;
  }
}

/**
 * Values stay text here and are read by the table, as those from the environment are: commander's own checks would know
 * options only and speak of one problem at a time.
 */
function addOption(command: Command, spec: Setting<unknown>): void {
  if (spec.flag === undefined) return;
  command.addOption(new Option(spec.flag, `${spec.about} (${spec.variable}; default: ${fallbackText(spec)})`));
}

function environmentHelp(): string {
  const only = Object.values<Setting<unknown>>(SETTINGS).filter((spec) => spec.flag === undefined);
  const lines = only.map((spec) => `  ${spec.variable.padEnd(18)}${spec.about} (default: ${fallbackText(spec)})`);
  return (
    `\nEach option is an environment variable too, named in its brackets; an option wins over its variable.\n` +
    `Environment variables without an option:\n${lines.join("\n")}\n`
  );
}

/** An option whose value was left out means yes. */
function asTexts(options: Readonly<Record<string, string | true>>): Environment {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, value === true ? "1" : value]));
}

/** From the package's own file: the compiled command is one folder deeper than its source. */
function packageVersion(): string {
  for (let folder = __dirname; folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<
        string,
        unknown
      >;
      if (name === "engine.io-cluster" && typeof version === "string") return version;
    } catch {
      // No such file here: look further up.
    }
  }
  return "0.0.0";
}
