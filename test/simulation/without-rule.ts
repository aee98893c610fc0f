import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build, type Plugin } from "esbuild";
import type { Rule } from "./rule";

const ROOT = dirname(dirname(__dirname));
/** How long the histories without one rule may take, in milliseconds: one that is missing can make an endless loop. */
const LONGEST = 60_000;
/** And how long a file of unit tests may. */
const LONGEST_UNITS = 20_000;

/** What became of the histories without a rule. */
export interface Noticed {
  /** The first violation, or the error that was thrown; undefined where all went well. */
  readonly violation: string | undefined;
  /** Histories until then. */
  readonly histories: number;
}

/** Files of src/, by path from the root. */
function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sources(path) : path.endsWith(".ts") ? [path] : [];
  });
}

const texts = new Map(sources("src").map((path) => [path, readFileSync(join(ROOT, path), "utf8")]));

/** The one file that has the text of the rule, and its text without it. */
export function withoutRule({ rule, find, replace }: Rule): { readonly path: string; readonly text: string } {
  const pattern = typeof find === "string" ? find : new RegExp(find, "g");
  const count = (text: string) => text.split(pattern).length - 1;
  const found = [...texts].filter(([, text]) => count(text) > 0);
  const [first] = found;
  const times = found.reduce((sum, [, text]) => sum + count(text), 0);
  if (first === undefined || times !== 1) {
    const where = found.length === 0 ? "" : ` (${found.map(([path]) => path).join(", ")})`;
    throw new Error(
      `the text of the rule "${rule}" is in src/ ${String(times)} times${where}, and must be there once: ` +
        `${String(find)}. Where the code was changed, give the table in test/simulation/rules.ts its new text.`,
    );
  }
  const [path, text] = first;
  return { path, text: text.replace(pattern, typeof replace === "string" ? () => replace : replace) };
}

/** The simulation as one script, with other texts for some files of src/. */
async function bundle(entry: string, replaced: ReadonlyMap<string, string>): Promise<string> {
  const plugin: Plugin = {
    name: "without a rule",
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const contents = replaced.get(path);
        return contents === undefined ? undefined : { contents, loader: "ts" };
      });
    },
  };
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    // What it makes of this is of no use to a script that has no file; it must be a path.
    define: { __filename: JSON.stringify(join(ROOT, "src", "index.ts")) },
    write: false,
    logLevel: "error",
    plugins: [plugin],
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error("esbuild gave no script");
  return file.text;
}

/** What became of a script. */
interface Ended {
  readonly code: number | string;
  readonly said: string;
  readonly errors: string;
}

function run(script: string, args: readonly string[], longest = LONGEST): Promise<Ended> {
  return new Promise((resolve, reject) => {
    // A test that runs another one's script is no part of that.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(process.execPath, ["-", ...args], { stdio: ["pipe", "pipe", "pipe"], timeout: longest, env });
    let said = "";
    let errors = "";
    child.stdout.on("data", (data: Buffer) => (said += data.toString()));
    child.stderr.on("data", (data: Buffer) => (errors += data.toString()));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve({ code: code ?? signal ?? "", said, errors });
    });
    // It may end of an error before it has read all.
    child.stdin.on("error", () => undefined);
    child.stdin.end(script);
  });
}

function replacedBy(rule: Rule): ReadonlyMap<string, string> {
  const { path, text } = withoutRule(rule);
  return new Map([[join(ROOT, path), text]]);
}

/** Runs a script of this folder without the rule, and gives what it says. */
export async function runScriptWithout(rule: Rule, entry: string, args: readonly string[]): Promise<string> {
  const { code, said, errors } = await run(await bundle(join(__dirname, entry), replacedBy(rule)), args);
  if (code === 0) return said;
  throw new Error(`the histories without "${rule.rule}" ended with ${String(code)}:\n${errors}`);
}

/** Runs a file of unit tests, without a rule where one is given, and names those that fail. */
export async function failingUnits(test: string, rule?: Rule): Promise<readonly string[]> {
  const replaced = rule === undefined ? new Map<string, string>() : replacedBy(rule);
  const { code, said, errors } = await run(await bundle(join(ROOT, "test", "unit", test), replaced), [], LONGEST_UNITS);
  const failed = [...said.matchAll(/^ +not ok \d+ - (.*)$/gm)].map(([, name = ""]) => name);
  if (code === 0 && said.includes("\n# fail 0")) return failed;
  if (failed.length > 0) return failed;
  throw new Error(`the tests of ${test} ended with ${String(code)}:\n${said}\n${errors}`);
}

/** Runs histories without the rule until one fails, `seeds` at most from `first` on; of the rule's profiles, where it names some. */
export async function runWithout(rule: Rule, seeds: number, first = 1): Promise<Noticed> {
  const args = [String(first), String(seeds), ...(rule.profiles ?? [])];
  return JSON.parse(await runScriptWithout(rule, "until-violation.ts", args)) as Noticed;
}
