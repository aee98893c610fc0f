import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Writes a generated file as prettier wants it. With --check: fails where the file is not what would be written. */
export async function writeGenerated(path, text) {
  const target = join(root, path);
  const content = await format(text, { ...(await resolveConfig(target)), filepath: target });
  if (!process.argv.includes("--check")) {
    writeFileSync(target, content);
    return;
  }
  let present = "";
  try {
    present = readFileSync(target, "utf8");
  } catch {
    // Not there: differs.
  }
  if (present === content) return;
  console.error(`${path} is not what its generator gives`);
  process.exit(1);
}
