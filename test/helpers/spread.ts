import assert from "node:assert/strict";

export interface Spread {
  /** The time over which a node that leaves closes its websockets, in milliseconds. */
  readonly window: number;
  /** Websockets of the same node that are closed in the same window, and whose times nobody took. Default: 0. */
  readonly others?: number;
  /** For how long a machine that does other things besides may stand still, in milliseconds. */
  readonly stall: number;
}

/**
 * Fails unless websockets were closed evenly: `times`, in milliseconds since anything, have no long gap and no burst. A gap is long
 * where an even spread would have closed three of them, and a quarter of the window is a burst where it has more than its share, with
 * what a stall adds to either.
 */
export function assertSpread(times: readonly number[], { window, others = 0, stall }: Spread): void {
  const sorted = [...times].sort((a, b) => a - b);
  const all = sorted.length + others;
  const text = `websockets closed at ${sorted.map(Math.round).join(", ")} ms, with ${others} others`;
  const longest = Math.max(...sorted.slice(1).map((at, i) => at - sorted[i]!));
  // The others can all be closed between two of these.
  const gap = ((3 + others) * window) / all + stall;
  assert.ok(longest < gap, `${Math.round(longest)} ms between two, and not ${Math.round(gap)}: ${text}`);
  const quarter = window / 4;
  const share = (all * (quarter + stall)) / window + 1;
  const most = Math.max(...sorted.map((from) => sorted.filter((at) => at >= from && at < from + quarter).length));
  assert.ok(most <= share, `${most} of them in a quarter of the window, and not ${share.toFixed(1)}: ${text}`);
  const took = sorted.at(-1)! - sorted[0]!;
  const least = (window * (sorted.length - 1)) / all - stall;
  assert.ok(took > least && took < window + stall, `${Math.round(took)} ms from the first to the last: ${text}`);
}
