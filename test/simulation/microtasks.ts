/** What Node runs between two events of its loop: all nextTicks and microtasks. Not typed, since few may call it. */
const tickCallback = (process as unknown as { readonly _tickCallback?: () => void })._tickCallback;

/**
 * Lets all nextTicks and microtasks run, and those that they make. A turn of the real event loop for each simulated event
 * would do the same, and took most of the time. Works in an event of the loop only, not within a microtask.
 */
export function runMicrotasks(): void {
  if (tickCallback === undefined) throw new Error("this version of Node has no process._tickCallback");
  tickCallback.call(process);
}

/** Runs `work` in an event of the loop. */
export function inEvent<Result>(work: () => Result): Promise<Result> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(work());
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}
