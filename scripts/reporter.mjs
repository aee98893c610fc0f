import { inspect } from "node:util";

/**
 * A reporter for node:test that runs inside of a test file's process: one line of JSON per test that ended,
 * and per warning of node:test itself.
 * `scripts/lib/run-files.mjs` reads them, also of a process that was killed half way.
 */
export default async function* reporter(events) {
  // Names of the tests around the one at hand, by nesting: `describe` > `test`.
  const path = [];
  for await (const { type, data } of events) {
    if (type === "test:start") {
      path.length = data.nesting;
      path[data.nesting] = data.name;
    }
    // How node:test tells of an error after its test had ended: it then fails nothing but the process.
    if (type === "test:diagnostic" && /^(Warning|Error):/.test(data.message)) {
      yield `${JSON.stringify({ note: data.message })}\n`;
    }
    if (type !== "test:pass" && type !== "test:fail") continue;
    const { name, nesting, details, skip, todo } = data;
    const isSuite = details.type === "suite";
    const failed = type === "test:fail" && !isSet(todo);
    // A test fails with its subtests, each of which is told of by itself.
    if (failed && details.error?.failureType === "subtestsFailed") continue;
    // A suite is no test. One that fails otherwise than by its tests (in a hook) is a failure all the same.
    if (isSuite && !failed) continue;
    yield `${JSON.stringify({
      name: [...path.slice(0, nesting), name].join(" > "),
      outcome: failed ? "failed" : isSet(skip) || isSet(todo) ? "skipped" : "passed",
      duration: details.duration_ms,
      ...(failed ? { error: explain(details.error) } : {}),
    })}\n`;
  }
}

/** The reason for leaving a test out, which may be an empty text. */
function isSet(directive) {
  return directive !== undefined && directive !== false;
}

/** node:test wraps what a test threw; the wrapper tells nothing more, except when there is nothing in it. */
function explain(error) {
  const thrown = error?.cause instanceof Error ? error.cause : (error?.cause ?? error);
  return typeof thrown === "string" ? thrown : inspect(thrown, { depth: 8, maxStringLength: 20_000 });
}
