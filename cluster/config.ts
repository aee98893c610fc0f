import { flagName, SETTINGS, type Setting, type SettingName } from "./settings";

/** The value of every setting. */
export type Config = {
  readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer T> ? T : never;
};

export type ConfigResult =
  { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly problems: readonly string[] };

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What was given on the command line (by setting name), else in the environment, else the default. All that is wrong is
 * told at once.
 */
export function readConfig(given: Environment, environment: Environment): ConfigResult {
  const config: Partial<Record<string, unknown>> = {};
  const problems: string[] = [];
  for (const [name, spec] of Object.entries(SETTINGS) as [SettingName, Setting<unknown>][]) {
    const fromFlag = given[name];
    // Empty is what compose files and shells make of a variable that is not set.
    const fromEnvironment = environment[spec.variable] === "" ? undefined : environment[spec.variable];
    const text = fromFlag ?? fromEnvironment;
    const value = text === undefined ? spec.fallback : spec.parse(text);
    if (text !== undefined && value === undefined) {
      const source = fromFlag === undefined ? spec.variable : (flagName(spec) ?? spec.variable);
      problems.push(`${source} is ${shown(spec, text)}; allowed is ${spec.allowed}`);
    }
    config[name] = value;
  }
  const complete = config as Config;
  problems.push(...contradictions(complete, problems.length === 0));
  return problems.length === 0 ? { ok: true, config: complete } : { ok: false, problems };
}

/** Settings that do not go together. */
function contradictions(config: Config, allParsed: boolean): string[] {
  return allParsed ? [...oneBackend(config), ...filesForNothing(config), ...closedTooSoon(config)] : [];
}

/** Of two ends that may close an idle connection, the one that sends requests must be the first: else it sends one into nothing. */
function closedTooSoon({ keepAliveTimeout, balancerIdleTimeout }: Config): string[] {
  if (keepAliveTimeout > balancerIdleTimeout) return [];
  const { keepAliveTimeout: own, balancerIdleTimeout: balancers } = SETTINGS;
  return [
    `${flagName(own) ?? ""} (${own.variable}) is ${String(keepAliveTimeout)} and must be above ${flagName(balancers) ?? ""} ` +
      `(${balancers.variable}), which is ${String(balancerIdleTimeout)}: else the balancer sends requests into connections ` +
      `that were just closed, and answers 502; set the first higher, or the second to what your balancer has`,
  ];
}

function oneBackend(config: Config): string[] {
  if ((config.redis === undefined) === (config.nats === undefined)) return [];
  const missing = config.redis === undefined ? SETTINGS.redis : SETTINGS.nats;
  const present = config.redis === undefined ? SETTINGS.nats : SETTINGS.redis;
  return [
    `${flagName(present) ?? ""} (${present.variable}) is set and ${flagName(missing) ?? ""} (${missing.variable}) is not; ` +
      `set both for a cluster on Redis and NATS, or neither for one on this machine`,
  ];
}

/** A file that would not be used: somebody believes that the connection is safer than it is. */
function filesForNothing({ redis, nats, redisTlsCa, natsTlsCa, natsCreds }: Config): string[] {
  const { redisTlsCa: redisFile, natsTlsCa: natsFile, natsCreds: credsFile } = SETTINGS;
  const needs = (file: Setting<unknown>, used: Setting<unknown>, what: string): string =>
    `${flagName(file) ?? ""} (${file.variable}) is set and ${flagName(used) ?? ""} (${used.variable}) is not ${what}; ` +
    "set that, or leave the file away";
  const problems: string[] = [];
  if (redisTlsCa !== undefined && redis?.startsWith("rediss:") !== true)
    problems.push(needs(redisFile, SETTINGS.redis, "a rediss:// URL"));
  if (natsTlsCa !== undefined && nats?.startsWith("tls:") !== true)
    problems.push(needs(natsFile, SETTINGS.nats, "a tls:// URL"));
  if (natsCreds !== undefined && nats === undefined) problems.push(needs(credsFile, SETTINGS.nats, "set"));
  return problems;
}

/** The environment from which another process reads the same configuration. */
export function toEnvironment(config: Config): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, spec] of Object.entries(SETTINGS) as [SettingName, Setting<unknown>][]) {
    const value = config[name];
    // An empty variable counts as not set, and hides one that the process would inherit.
    environment[spec.variable] =
      value === undefined ? "" : typeof value === "boolean" ? (value ? "1" : "0") : String(value);
  }
  return environment;
}

/** What records and leases are kept by, which must be the same at whoever keeps them and at every node. */
export function clusterTimes({
  leaseTtl,
  pollGrace,
  linger,
}: Config): Pick<Config, "leaseTtl" | "pollGrace" | "linger"> {
  return { leaseTtl, pollGrace, linger };
}

function shown(spec: Setting<unknown>, text: string): string {
  if (spec.secret === true) return "not shown";
  return JSON.stringify(withoutPassword(text));
}

/** A URL's password does not belong in a message or a log. */
export function withoutPassword(text: string): string {
  return text.replace(/\/\/[^@/]*@/, "//***@");
}
