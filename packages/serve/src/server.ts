import type { FastifyError, FastifyInstance } from "fastify";
import { fastify } from "fastify";
import { ValueError } from "nagare";
import { RequestError } from "./errors.ts";
import type { NonFinite } from "./json/index.ts";
import type { ServableModel } from "./model.ts";
import { addRoutes } from "./routes.ts";
import type { Serving } from "./serving.ts";
import type { VersionChoice } from "./versions.ts";
import { findVersions, loadVersions } from "./versions.ts";

/** Where the server reports; `console` is one. */
export interface ServerLogger {
  /** A request answered, the server started or stopped. */
  info(message: string): void;
  /** A request that the model failed on, with the stack. */
  error(message: string): void;
}

/** Options of `serveModel`. */
export interface ServeOptions {
  /** A folder written by `ng.save` (a version, or the folder of numbered versions), or a loaded model. */
  readonly model: string | ServableModel;
  /** The NAME in `/v1/models/NAME`; default: the folder's name, or "model" for a loaded model. */
  readonly name?: string;
  /** The versions of a folder to load; default "latest". */
  readonly versions?: VersionChoice;
  /** TCP port, 0 for a free one; default 8501. */
  readonly port?: number;
  /** Address to listen on; default "127.0.0.1", which other machines cannot reach. */
  readonly host?: string;
  /** Largest request body; beyond it the answer is 413. Default 16 MiB. */
  readonly maxBodyBytes?: number;
  /** How NaN and infinities are written: bare tokens as TensorFlow Serving does (default), or strings, which are JSON. */
  readonly nonFinite?: NonFinite;
  /** How long `close()` waits for requests in flight before it drops their connections; default 10,000. */
  readonly drainTimeoutMs?: number;
  /** Default: silent. */
  readonly logger?: ServerLogger;
  /** Closes the server when aborted. */
  readonly signal?: AbortSignal;
}

/** A running server. */
export interface ModelServer {
  /** The server's address, such as `http://127.0.0.1:8501`. */
  readonly url: string;
  /** The address of the model: `${url}/v1/models/${name}`. */
  readonly modelUrl: string;
  readonly port: number;
  readonly host: string;
  readonly name: string;
  /** The loaded versions by number. */
  readonly versions: ReadonlyMap<number, ServableModel>;
  /** Stops accepting, answers the requests in flight, then ends. May be called again; resolves when all is over. */
  close(): Promise<void>;
}

/**
 * Serves a model over HTTP with TensorFlow Serving's REST forms. Resolves when the model is loaded and the port is
 * open. Predictions run off the event loop where the backend can.
 * @throws ValueError for options out of range; what `ng.load` throws for a damaged model; the system's error when the
 * port is taken.
 * @example
 * const server = await serveModel({ model: "digits", port: 0 });
 * const response = await fetch(`${server.modelUrl}:predict`, { method: "POST", body: '{"instances": [[0.5, 1]]}' });
 * await server.close();
 */
export async function serveModel(options: ServeOptions): Promise<ModelServer> {
  const { host = "127.0.0.1", logger } = options;
  const port = checkWhole("port", options.port ?? 8501, 0, 65535);
  const bodyLimit = checkWhole("maxBodyBytes", options.maxBodyBytes ?? 16 * 2 ** 20, 1, 2 ** 30);
  const drainTimeoutMs = checkWhole("drainTimeoutMs", options.drainTimeoutMs ?? 10_000, 0, 2 ** 31 - 1);
  options.signal?.throwIfAborted();
  const { name, versions } = await loadServed(options);
  const serving: Serving = { name, versions, nonFinite: options.nonFinite ?? "tokens", draining: false };
  const app = createApp(serving, bodyLimit, logger);
  const url = await app.listen({ port, host });
  const address = app.server.address();
  logger?.info(`serving "${name}" at ${url}/v1/models/${name}`);

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= drain(app, serving, drainTimeoutMs).then(() => logger?.info(`"${name}" at ${url} stopped`));
    return closing;
  };
  const onAbort = (): void => void close();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  if (options.signal?.aborted) onAbort();
  return {
    url,
    modelUrl: `${url}/v1/models/${name}`,
    port: typeof address === "object" && address !== null ? address.port : port,
    host,
    name,
    versions,
    close,
  };
}

async function loadServed(options: ServeOptions): Promise<Pick<Serving, "name" | "versions">> {
  const { model } = options;
  const found = typeof model === "string" ? await findVersions(model) : undefined;
  const name = options.name ?? found?.name ?? "model";
  if (!/^[\w.-]+$/.test(name)) {
    throw new ValueError(
      `name: expected letters, digits, ".", "_" and "-", because it is part of the address; received ` +
        `${JSON.stringify(name)}. Choose another with the option name.`,
    );
  }
  const versions = found
    ? await loadVersions(found, options.versions ?? "latest")
    : new Map([[1, model as ServableModel]]);
  return { name, versions };
}

function checkWhole(option: string, value: number, low: number, high: number): number {
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new ValueError(
    `${option}: expected a whole number from ${low} to ${high}; received ${String(value)}.`,
  );
}

function createApp(serving: Serving, bodyLimit: number, logger: ServerLogger | undefined): FastifyInstance {
  const app = fastify({
    bodyLimit,
    // The default, 0, lets a client hold a connection for ever by sending a byte now and then.
    requestTimeout: 120_000,
    forceCloseConnections: "idle",
    // While draining, the hook below answers, with /health still alive.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 500 },
    // Addresses that cannot be decoded never reach a route.
    frameworkErrors: (error, _request, reply) =>
      void reply.code(400 as never).send({ error: error.message } as never),
    clientErrorHandler: (_error, socket) => {
      const body = JSON.stringify({ error: "The request is not valid HTTP." });
      const head = `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
      if (socket.writable) socket.end(`${head}\r\nConnection: close\r\n\r\n${body}`);
      else socket.destroy();
    },
  });
  // Clients of TensorFlow Serving send all kinds of content types (curl -d: a web form's); the body is JSON anyway.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));

  app.addHook("onRequest", async (request) => {
    const encoding = request.headers["content-encoding"];
    if (encoding !== undefined && encoding !== "identity") {
      throw new RequestError(
        415,
        `content-encoding: expected a body that is not compressed; received ${encoding}. Send plain JSON.`,
      );
    }
    const isProbe = request.url === "/health" || request.url === "/ready";
    if (serving.draining && !isProbe) {
      throw new RequestError(503, "The server is shutting down and takes no new requests. Ask another one.");
    }
  });
  app.addHook("onSend", async (_request, reply) => {
    // A kept connection would hold up the shutdown until it times out.
    if (serving.draining) reply.header("connection", "close");
  });
  app.addHook("onResponse", async (request, reply) => {
    logger?.info(`${request.method} ${request.url} ${reply.statusCode} ${reply.elapsedTime.toFixed(1)} ms`);
  });
  app.setErrorHandler((error: FastifyError | RequestError, request, reply) => {
    const { status, message } = describeError(error, bodyLimit);
    if (status >= 500 && !(error instanceof RequestError)) {
      logger?.error(`${request.method} ${request.url}: ${error.stack ?? String(error)}`);
    }
    return reply.code(status).send({ error: message });
  });
  app.setNotFoundHandler((request, reply) => {
    const error =
      `${request.method} ${request.url}: no such route. Expected GET /v1/models/${serving.name}, ` +
      `GET /v1/models/${serving.name}/metadata, POST /v1/models/${serving.name}:predict, GET /health or GET /ready.`;
    return reply.code(404).send({ error });
  });
  addRoutes(app, serving);
  return app;
}

/** The status and the message for the client. Failures of the model stay in the log: they may name its innards. */
function describeError(
  error: FastifyError | RequestError,
  bodyLimit: number,
): { status: number; message: string } {
  if (error instanceof RequestError) return { status: error.status, message: error.message };
  const status = error.statusCode ?? 500;
  if (status === 413) {
    return {
      status,
      message:
        `The body: expected at most ${bodyLimit} bytes; received more. ` +
        "Send fewer instances at a time, or start the server with a larger maxBodyBytes.",
    };
  }
  if (error.code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") {
    return {
      status,
      message: "content-type: expected one such as application/json; received none that can be read.",
    };
  }
  if (status < 500) return { status, message: error.message };
  return { status: 500, message: "The model failed on this request. The server's log has the details." };
}

/** Stops listening, lets requests in flight end, and after the grace period drops what is left. */
async function drain(app: FastifyInstance, serving: Serving, timeoutMs: number): Promise<void> {
  serving.draining = true;
  const timer = setTimeout(() => app.server.closeAllConnections(), timeoutMs);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}
