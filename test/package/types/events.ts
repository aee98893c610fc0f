/**
 * A program of engine.io 6: events, options and what a socket is asked. It is compiled twice: against engine.io, and against
 * this package in its place.
 */
import { createServer, type IncomingMessage, type Server as HttpServer } from "node:http";
import { WebSocketServer } from "ws";
import {
  attach,
  listen,
  parser,
  protocol,
  Server,
  Socket,
  Transport,
  transports,
  type AttachOptions,
  type BaseServer,
  type ErrorCallback,
  type ServerOptions,
} from "engine.io";

const attachOptions: AttachOptions = {
  path: "/there",
  destroyUpgrade: true,
  destroyUpgradeTimeout: 500,
  addTrailingSlash: false,
};

const options: ServerOptions = {
  pingTimeout: 1000,
  pingInterval: 2000,
  upgradeTimeout: 3000,
  maxHttpBufferSize: 1e5,
  allowRequest: (request, decide) => {
    decide(request.headers.origin === undefined ? "no origin" : null, request.headers.origin !== undefined);
  },
  transports: ["polling", "websocket"],
  allowUpgrades: false,
  perMessageDeflate: { threshold: 2048, zlibDeflateOptions: { level: 3 } },
  httpCompression: { threshold: 2048 },
  wsEngine: WebSocketServer,
  initialPacket: "hello",
  cookie: { name: "io", path: "/", httpOnly: true, sameSite: "lax", maxAge: 86_400 },
  cors: { origin: ["https://a.example"], methods: ["GET", "POST"], credentials: true },
  allowEIO3: true,
};

function watch(engine: Server): void {
  engine.on("connection", (socket: Socket) => {
    const request: IncomingMessage = socket.request;
    const address: string = socket.remoteAddress;
    const revision: number = socket.protocol;
    const state: "opening" | "open" | "closing" | "closed" = socket.readyState;
    const name: string = socket.transport.name;
    const writable: boolean = socket.transport.writable;
    console.log(request.url, address, revision, state, name, writable, socket.upgraded, socket.upgrading);
    socket.on("message", (data: string | Buffer) => {
      socket.send(data).write(data, { compress: false }, (transport: Transport) => {
        console.log(transport.sid, transport.protocol, transport.readyState);
      });
    });
    socket.on("close", (reason: string, description?: Error) => {
      console.log(reason, description?.message);
    });
    socket.once("upgrade", (transport: Transport) => {
      transport.on("headers", (headers: Record<string, string>) => (headers["x-own"] = "1"));
    });
    socket.close();
    socket.close(true);
  });
  engine.on("connection_error", ({ code, message }: { req: IncomingMessage; code: number; message: string }) => {
    if (code === Server.errors.FORBIDDEN) console.log(message, Server.errorMessages[4]);
  });
  engine.use((_request: IncomingMessage, _response: unknown, next: (error?: Error) => void) => {
    next();
  });
}

const httpServer: HttpServer = createServer();
const attached: Server = attach(httpServer, { ...options, ...attachOptions });
const listening: Server = listen(0, options, () => {
  console.log(listening.httpServer?.address(), listening.clientsCount, protocol);
});
const made = new Server(options);
made.attach(httpServer, attachOptions);
httpServer.on("request", made.handleRequest.bind(made));
httpServer.on("upgrade", made.handleUpgrade.bind(made));
for (const engine of [attached, listening, made]) watch(engine);

made.opts.pingInterval = 5000;
made.opts.pingTimeout = 6000;
made.opts.maxHttpBufferSize = 7000;
made.opts.allowUpgrades = true;
made.opts.allowRequest = (_request, decide) => {
  decide(undefined, true);
};
made.generateId = (request: IncomingMessage) => request.url ?? "";

function describeServer(server: BaseServer): string[] {
  return [...server.upgrades("polling"), String(server.clientsCount), String(server.opts.pingInterval)];
}
console.log(made instanceof Socket, made instanceof Transport);
console.log(describeServer(made.close()), transports.polling.upgradesTo, transports.websocket.name);

export const refuse: ErrorCallback = (code, context) => {
  console.log(code, context?.name, context?.message, context?.["sid"]);
};

parser.encodePacket({ type: "message", data: "text" }, true, (encoded) => {
  console.log(parser.decodePacket(encoded).type, parser.protocol);
});
parser.encodePayload([{ type: "ping" }], (payload) => {
  for (const packet of parser.decodePayload(payload)) console.log(packet.type);
});
