"use strict";
/* global document, location, performance, setTimeout, URL, window, XMLHttpRequest */

const LINES_KEPT = 200;
const GONE_KEPT = 5;
const MARKS = 6;
const RECONNECT_FIRST = 300;
const RECONNECT_LONGEST = 5000;

const element = (id) => document.getElementById(id);
const meta = (name) => document.querySelector(`meta[name="${name}"]`).content;
const enginePath = meta("engine-path");
/** Transports that the server takes. */
const offered = meta("engine-transports").split(",");

/** Per worker process: how many requests it answered. */
const workers = new Map();
/** Messages that are under way, by id. */
const messages = new Map();
let nextId = 1;
let owner;
let takeovers = 0;
let dyingSince;
/** The worker that has the websocket; it says so itself. */
let holder;
let upgradeLine;
let openedAt;
/** Attempts to connect since the last one that succeeded. */
let failures = 0;

// --- what the session's requests look like from outside: the client is stock, the page only watches its XMLHttpRequests

watchRequests((request) => {
  const { method, worker, status, ms, body } = request;
  if (worker !== null) count(worker, method);
  addLine("log", [
    text("method", method),
    worker === null ? text("worker bad", status === 0 ? "no answer" : `status ${status}`) : workerName(worker),
    text("grow soft", status === 200 ? "" : `status ${status}`),
    text("soft", `${Math.round(ms)} ms`),
  ]);
  if (method === "POST" && worker !== null) {
    for (const message of messages.values()) {
      if (message.takenBy === undefined && body.includes(message.packet)) {
        message.takenBy = worker;
        showEcho(message);
      }
    }
  }
});

function watchRequests(onDone) {
  const { open, send } = XMLHttpRequest.prototype;
  const watched = new WeakMap();
  XMLHttpRequest.prototype.open = function (method, url, ...rest) {
    if (new URL(url, location.href).pathname.startsWith(enginePath)) watched.set(this, method);
    return open.call(this, method, url, ...rest);
  };
  XMLHttpRequest.prototype.send = function (body) {
    const method = watched.get(this);
    if (method !== undefined) {
      const start = performance.now();
      this.addEventListener("loadend", () => {
        const ms = performance.now() - start;
        onDone({
          method,
          worker: this.getResponseHeader("x-worker"),
          status: this.status,
          ms,
          body: String(body ?? ""),
        });
      });
    }
    return send.call(this, body);
  };
}

// --- the session

/** Undefined between the end of one and the beginning of the next. */
let socket;
let mode = startMode();

connect();

/** Polling first, where the server takes it: it shows most. */
function startMode() {
  for (const input of element("mode").elements) {
    const names = input.value === "polling" ? ["polling"] : ["polling", "websocket"];
    input.disabled = !names.every((name) => offered.includes(name));
  }
  return offered.includes("polling") ? "polling" : "upgrade";
}

function connect() {
  const wanted = mode === "polling" ? ["polling"] : ["polling", "websocket"];
  const mine = window.eio({
    path: enginePath,
    transports: wanted.filter((name) => offered.includes(name)),
    // So that the worker which gets the websocket knows whom it can tell.
    query: { demo: "page" },
  });
  socket = mine;
  forgetSession();
  mine.on("open", () => {
    failures = 0;
    element("sid").textContent = mine.id;
    setState("open", "open");
    element("send").disabled = false;
    openedAt = performance.now();
    showTransport();
    mine.send(JSON.stringify({ demo: "hello" }));
  });
  mine.on("upgrade", () => {
    showTransport();
    upgradeLine = addLine("log", [
      text("method", "UPGRADE"),
      holder === undefined ? text("worker", "…") : workerName(holder),
      text("grow soft", "polling → websocket"),
      text("soft", `${Math.round(performance.now() - openedAt)} ms after the handshake`),
    ]);
  });
  mine.on("upgradeError", (error) => {
    addLine("log", [text("method", "UPGRADE"), text("bad", "failed"), text("grow soft", error.message)]);
  });
  mine.on("message", onMessage);
  mine.on("close", (reason) => {
    if (socket === mine) onLoss(reason);
  });
}

function onMessage(data) {
  const message = JSON.parse(data);
  if (message.demo === "owner") onOwner(message);
  else if (message.demo === "echo") onEcho(message);
  else if (message.demo === "dying") onDying(message);
  else if (message.demo === "holder") onHolder(message);
  else if (message.demo === "refused") notice(message.why);
}

function forgetSession() {
  owner = undefined;
  holder = undefined;
  upgradeLine = undefined;
  dyingSince = undefined;
  takeovers = 0;
  messages.clear();
  for (const id of ["sid", "owner", "transport", "holder"]) element(id).textContent = "–";
  element("takeovers").textContent = "0";
  element("send").disabled = true;
  element("kill").disabled = true;
  setState("opening", "connecting");
  showWorkers();
}

/** The session has ended, and not because this page wanted it. */
function onLoss(reason) {
  const wasOpen = openedAt !== undefined;
  const byWebsocket = wasOpen && socket.transport.name === "websocket";
  socket = undefined;
  openedAt = undefined;
  setState("closed", `closed: ${reason}`);
  element("transport").textContent = "–";
  element("holder").textContent = "–";
  element("send").disabled = true;
  element("kill").disabled = true;
  if (byWebsocket && dyingSince !== undefined) {
    notice("A websocket session ends with its owner. The client ", strong("connects anew"), ", under a new id.");
  } else if (wasOpen) {
    notice(`The session has ended (${reason}). The client `, strong("connects anew"), ", under a new id.");
  }
  const delay = Math.min(RECONNECT_FIRST * 2 ** failures++, RECONNECT_LONGEST);
  setTimeout(() => {
    if (socket === undefined) connect();
  }, delay);
}

element("mode").addEventListener("change", (event) => {
  mode = event.target.value;
  const before = socket;
  // What it still has to say is of no interest any more.
  socket = undefined;
  openedAt = undefined;
  before?.off();
  before?.close();
  notice(mode === "polling" ? "A new session, by polling only." : "A new session: it begins by polling.");
  connect();
});

function onHolder({ worker }) {
  holder = worker;
  workerEntry(worker);
  upgradeLine?.children[1]?.replaceWith(workerName(worker));
  showTransport();
}

function showTransport() {
  const { name } = socket.transport;
  element("transport").textContent = name;
  if (name !== "websocket") element("holder").textContent = "–";
  else if (holder === undefined || owner === undefined) element("holder").textContent = "…";
  else if (holder === owner) element("holder").replaceChildren(workerName(holder), ", the owner itself");
  else element("holder").replaceChildren(workerName(holder), ", which passes it on to the owner");
  showWorkers();
}

function onOwner({ worker, recovered, kill }) {
  const before = owner;
  owner = worker;
  element("owner").replaceChildren(workerName(worker));
  element("kill").disabled = !kill;
  setState("open", "open");
  if (recovered && before !== undefined && before !== worker) {
    takeovers++;
    element("takeovers").textContent = String(takeovers);
    const ms = dyingSince === undefined ? undefined : Math.round(performance.now() - dyingSince);
    notice(
      `${before} is gone. `,
      strong(worker),
      ` took the session over${ms === undefined ? "" : ` ${ms} ms after the kill`}: same id, same client.`,
    );
  }
  dyingSince = undefined;
  // A websocket that began as one has nobody else to hold it.
  if (!offered.includes("polling")) holder = worker;
  showTransport();
}

function onDying({ worker }) {
  dyingSince = performance.now();
  const entry = workers.get(worker);
  if (entry !== undefined) entry.gone = true;
  setState("orphan", "its owner was killed");
  element("kill").disabled = true;
  if (socket.transport.name === "websocket") notice(strong(worker), " kills itself, and its websockets end with it.");
  else notice(strong(worker), " kills itself. The next request finds the session a new owner.");
  showWorkers();
  // The poll that waits brings the new owner's word by itself; a message would too.
}

function onEcho(echo) {
  const message = messages.get(echo.id);
  if (message === undefined) return;
  message.echo = echo;
  // A POST that is under way is over before its client goes over to the websocket.
  if (message.takenBy === undefined && socket.transport.name === "websocket") message.takenBy = "websocket";
  showEcho(message);
}

function showEcho(message) {
  if (message.echo === undefined || message.takenBy === undefined) return;
  messages.delete(message.id);
  addLine("echoes", [
    text("grow", message.echo.text),
    message.takenBy === "websocket"
      ? labelled("by websocket at", holder === undefined ? "…" : workerName(holder))
      : labelled("POST taken by", workerName(message.takenBy)),
    labelled("owner", workerName(message.echo.owner)),
  ]);
}

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = element("message");
  if (input.value === "" || socket?.readyState !== "open") return;
  const id = nextId++;
  const packet = JSON.stringify({ demo: "say", id, text: input.value });
  messages.set(id, { id, packet });
  socket.send(packet);
  input.value = "";
});

element("kill").addEventListener("click", () => {
  socket?.send(JSON.stringify({ demo: "kill" }));
});

// --- what is shown

function count(worker, method) {
  const entry = workerEntry(worker);
  if (method === "POST") entry.posts++;
  else entry.gets++;
  showWorkers();
}

function workerEntry(worker) {
  let entry = workers.get(worker);
  if (entry === undefined) {
    entry = { gets: 0, posts: 0, gone: false };
    workers.set(worker, entry);
    // Another process under the name of one that is gone has taken its place.
    for (const [name, other] of workers) if (name !== worker && slot(name) === slot(worker)) other.gone = true;
    const gone = [...workers.keys()].filter((name) => workers.get(name).gone);
    for (const name of gone.slice(0, -GONE_KEPT)) workers.delete(name);
  }
  return entry;
}

function showWorkers() {
  const rows = [...workers].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
  element("workers").replaceChildren(
    ...rows.map(([worker, entry]) => {
      const row = document.createElement("tr");
      row.dataset.worker = worker;
      if (entry.gone) row.className = "gone";
      row.append(...[workerName(worker), String(entry.gets), String(entry.posts), marks(worker, entry)].map(cell));
      return row;
    }),
  );
}

function marks(worker, { gone }) {
  const all = document.createElement("span");
  if (gone) all.append("gone");
  if (!gone && worker === owner) all.append(text("badge", "owner"));
  if (!gone && worker === holder && socket?.transport.name === "websocket") all.append(text("badge", "websocket"));
  return all;
}

function cell(content) {
  const td = document.createElement("td");
  td.append(content);
  return td;
}

function slot(worker) {
  return worker.split("/")[0];
}

const slots = [];

function workerName(worker) {
  const name = slot(worker);
  if (!slots.includes(name)) slots.push(name);
  // w1 has its colour whichever of the workers is seen first.
  const number = Number(/^w(\d+)$/.exec(name)?.[1] ?? slots.indexOf(name) + 1);
  return text(`worker mark-${(number - 1) % MARKS}`, worker);
}

function labelled(label, content) {
  const span = text("soft", `${label} `);
  span.append(content);
  return span;
}

function setState(state, words) {
  element("state").dataset.state = state;
  element("state").textContent = words;
}

function notice(...parts) {
  element("notice").replaceChildren(...parts);
}

function strong(words) {
  const b = document.createElement("b");
  b.textContent = words;
  return b;
}

function text(className, words) {
  const span = document.createElement("span");
  span.className = className;
  span.textContent = words;
  return span;
}

function addLine(list, parts) {
  const line = document.createElement("li");
  line.append(...parts);
  element(list).prepend(line);
  while (element(list).childElementCount > LINES_KEPT) element(list).lastElementChild.remove();
  return line;
}
