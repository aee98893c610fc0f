/** Upper bounds of the classes, in milliseconds. What takes longer than the last is counted by `count` alone. */
export const LATENCY_BOUNDS: readonly number[] = [0.5, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/** How long something took, each time: counted by classes, so that taking notice costs a few comparisons and no object. */
export class Latency {
  /** How often it took no longer than the bound of the same place, and longer than the one before. */
  readonly classes: number[] = LATENCY_BOUNDS.map(() => 0);
  count = 0;
  /** Milliseconds in all. */
  sum = 0;

  observe(ms: number): void {
    this.count++;
    this.sum += ms;
    for (let i = 0; i < LATENCY_BOUNDS.length; i++) {
      if (ms <= (LATENCY_BOUNDS[i] ?? 0)) {
        this.classes[i] = (this.classes[i] ?? 0) + 1;
        return;
      }
    }
  }
}
