// Embeds the Lua scripts of the Redis store into one TypeScript module, so that the package needs no files at run time.
// With --check: fails when the module is not what the sources give.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, "src/store/redis/lua");
const target = join(root, "src/store/redis/scripts.generated.ts");

/** The source as Redis gets it: parts put in, lines of nothing but a comment and empty ones left out. */
function assemble(file) {
  const lines = readFileSync(join(folder, file), "utf8").split("\n");
  return lines.flatMap((line) => {
    const include = /^--- @include (\S+)$/.exec(line);
    if (include) return assemble(`${include[1]}.lua`);
    return line.trim() === "" || line.trimStart().startsWith("--") ? [] : [line];
  });
}

const entries = readdirSync(folder)
  .filter((file) => file.endsWith(".lua"))
  .sort()
  .map((file) => {
    const named = /^([a-z]+)-(\d+)\.lua$/.exec(file);
    if (!named) throw new Error(`${file}: a script's name ends in its number of keys, as in open-6.lua`);
    const source = assemble(file).join("\n");
    const sha = createHash("sha1").update(source).digest("hex");
    return [
      `  ${named[1]}: {`,
      `    name: ${JSON.stringify(named[1])},`,
      `    keys: ${named[2]},`,
      `    sha: ${JSON.stringify(sha)},`,
      `    source:\n      ${JSON.stringify(source)},`,
      "  },",
    ].join("\n");
  });

const module = `// Generated from lua/ by scripts/build-lua.mjs. Do not edit: change the script there and run \`node scripts/build-lua.mjs\`.

export interface Script {
  readonly name: string;
  /** Keys that it takes, of each session where it takes several. */
  readonly keys: number;
  readonly sha: string;
  readonly source: string;
}

export const SCRIPTS = {
${entries.join("\n")}
} as const satisfies Record<string, Script>;
`;

if (process.argv.includes("--check")) {
  let present = "";
  try {
    present = readFileSync(target, "utf8");
  } catch {
    // Not there: differs.
  }
  if (present !== module) {
    console.error("src/store/redis/scripts.generated.ts is not what src/store/redis/lua gives");
    process.exit(1);
  }
} else {
  writeFileSync(target, module);
}
