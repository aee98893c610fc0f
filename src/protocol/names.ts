export type TransportName = "polling" | "websocket";

/** Revision of the Engine.IO protocol that a session speaks, fixed by its handshake. */
export type Revision = 3 | 4;
