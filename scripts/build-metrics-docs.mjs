// Writes the table of metrics in docs/operating.md from what the code registers.
// With --check: fails when the table is not what the code gives.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { tsImport } from "tsx/esm/api";
import { root, writeGenerated } from "./lib/generated.mjs";

const PAGE = "docs/operating.md";
const [BEGIN, END] = ["<!-- metrics, by npm run docs:metrics -->", "<!-- end of metrics -->"];

const load = (file) => tsImport(`../${file}`, import.meta.url);
const { READINGS } = await load("src/operations/readings.ts");
const { STORE_LATENCY, STORE_LATENCY_HELP } = await load("src/operations/store-latency.ts");
const { FRONT_METRICS } = await load("cluster/primary-operations.ts");

const all = [
  ...READINGS,
  { name: STORE_LATENCY, kind: "histogram", labels: [], help: STORE_LATENCY_HELP },
  ...FRONT_METRICS.map(({ name, help }) => ({ name, help, kind: "counter", labels: [] })),
];
const rows = all.map(({ name, kind, labels, help }) => {
  const shown = labels.map((label) => `\`${label}\``).join(", ");
  return `| \`${name}\` | ${kind} | ${shown} | ${help.replaceAll("|", "\\|")} |`;
});
const table = ["| metric | kind | labels | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");

const text = readFileSync(join(root, PAGE), "utf8");
const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
if (from < 0 || to < from) throw new Error(`${PAGE} has no ${BEGIN} before ${END}`);
await writeGenerated(PAGE, `${text.slice(0, from + BEGIN.length)}\n\n${table}\n\n${text.slice(to)}`);
