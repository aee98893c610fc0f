// Writes docs/configuration.md from the one table of settings, cluster/settings.ts.
// With --check: fails when the file is not what the table gives.
import { tsImport } from "tsx/esm/api";
import { writeGenerated } from "./lib/generated.mjs";

const { SETTINGS, flagName, fallbackText } = await tsImport("../cluster/settings.ts", import.meta.url);

/** Settings by what they are about, in the order of the page. One that is in no group fails the script. */
const GROUPS = {
  "Processes and addresses": ["workers", "port", "host", "healthPort", "app", "path", "balancer"],
  "Redis and NATS": ["redis", "redisTlsCa", "nats", "natsTlsCa", "natsCreds", "prefix", "secret"],
  "In front": ["trustProxy", "keepAliveTimeout", "balancerIdleTimeout"],
  Sessions: ["transports", "upgradeTimeout", "perMessageDeflate", "pingInterval", "pingTimeout"],
  Cluster: ["leaseTtl", "pollGrace", "linger", "takeover", "drainTimeout"],
  Limits: ["bodyLimit", "maxHttpBufferSize", "maxSessions", "maxSessionsPerAddress", "maxRequests", "bodyTimeout"],
  "Log, doctor and demo": ["logFormat", "logLevel", "doctorSecret", "demoKill"],
};
const REST = "Others";

const grouped = new Set(Object.values(GROUPS).flat());
const unknown = [...grouped].filter((name) => !(name in SETTINGS));
if (unknown.length > 0) throw new Error(`no settings: ${unknown.join(", ")}`);
const rest = Object.keys(SETTINGS).filter((name) => !grouped.has(name));

const cell = (text) => text.replaceAll("|", "\\|");
const code = (text) => `\`${cell(text)}\``;

function row(name) {
  const spec = SETTINGS[name];
  const flag = flagName(spec);
  const words = fallbackText(spec);
  const fallback = spec.fallbackShown === undefined || /^\S+$/.test(words) ? code(words) : words;
  return `| ${code(spec.variable)} | ${flag === undefined ? "none" : code(flag)} | ${cell(fallback)} | ${cell(spec.allowed)} | ${cell(spec.about)} |`;
}

const sections = Object.entries({ ...GROUPS, ...(rest.length > 0 ? { [REST]: rest } : {}) }).map(
  ([title, names]) => `## ${title}

| variable | flag | default | allowed | about |
| -------- | ---- | ------- | ------- | ----- |
${names.map(row).join("\n")}
`,
);

const page = `<!-- Generated from cluster/settings.ts by \`npm run docs:config\`. Do not edit. -->

# Configuration

The settings of \`engine.io-cluster serve\`, all of them. The command line, the environment, \`--help\` and this page are
made of one table, \`cluster/settings.ts\`.

An option wins over its variable, and an empty variable counts as not set. A value that is not allowed is refused with
what is, all of them at once, and the exit code is 2. A secret has no flag: everybody on the machine can read a command
line. Times are in milliseconds, sizes in bytes.

An application that makes its engine by \`attach\` or \`new Server\` sets options in the place of these: see
[api.md](api.md#options) and [design.md](design.md#numbers). [operating.md](operating.md) says which of them belong
together.

${sections.join("\n")}`;

await writeGenerated("docs/configuration.md", page);
