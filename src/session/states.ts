/** States of a Socket, by number so that comparing is cheap; the names are engine.io's `readyState`. */
export const State = { Opening: 1, Open: 2, Closing: 3, Closed: 4 } as const;
export type State = (typeof State)[keyof typeof State];

export type ReadyState = "opening" | "open" | "closing" | "closed";
export const STATE_NAMES: Readonly<Record<State, ReadyState>> = { 1: "opening", 2: "open", 3: "closing", 4: "closed" };

export type StateEvent = "opened" | "close asked" | "ended";

const TRANSITIONS: Readonly<Record<State, Partial<Record<StateEvent, State>>>> = {
  [State.Opening]: { opened: State.Open, ended: State.Closed },
  [State.Open]: { "close asked": State.Closing, ended: State.Closed },
  [State.Closing]: { ended: State.Closed },
  [State.Closed]: {},
};

/** The state after `event`; the same state where the event changes nothing. */
export function next(state: State, event: StateEvent): State {
  return TRANSITIONS[state][event] ?? state;
}

const STATES = Object.keys(STATE_NAMES).map(Number) as State[];

/** The state of that name; undefined where it is none. */
export function stateNamed(name: ReadyState): State | undefined {
  return STATES.find((state) => STATE_NAMES[state] === name);
}
