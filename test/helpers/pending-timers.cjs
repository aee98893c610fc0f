"use strict";

// How many timers of this process have not run and were not stopped. The runtime names only those that keep the process running, and
// most of a node's do not. To be loaded before anything that keeps a reference to `setTimeout` of its own.

const { promisify } = require("node:util");

const pending = new Map();
const { setTimeout: start, clearTimeout: stop } = globalThis;

function countedSetTimeout(run, ms, ...given) {
  const timer = start(
    function (...late) {
      pending.delete(timer);
      return run.apply(this, late);
    },
    ms,
    ...given,
  );
  pending.set(timer, ms);
  return timer;
}

globalThis.setTimeout = Object.assign(countedSetTimeout, { [promisify.custom]: start[promisify.custom] });
globalThis.clearTimeout = (timer) => {
  pending.delete(timer);
  stop(timer);
};

/** How many there are of each duration, in milliseconds. */
module.exports = function pendingTimers() {
  const counts = {};
  for (const ms of pending.values()) counts[ms] = (counts[ms] ?? 0) + 1;
  return counts;
};
