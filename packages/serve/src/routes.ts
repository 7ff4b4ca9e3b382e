import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { RequestError } from "./errors.ts";
import { modelMetadata, modelStatus } from "./metadata.ts";
import { answerPredict } from "./predict/index.ts";
import type { Serving } from "./serving.ts";
import { findModel } from "./serving.ts";

interface Target {
  readonly model: string;
  readonly version?: string;
}

type Request = FastifyRequest<{ Params: Target }>;

/** What one address answers, by method. */
type Methods = Partial<Record<"GET" | "POST", (request: Request, reply: FastifyReply) => unknown>>;

/**
 * TensorFlow Serving's addresses, and the two probes. Each takes every method, so that a wrong one is answered with
 * 405 and the right one, not with 404.
 */
export function addRoutes(app: FastifyInstance, serving: Serving): void {
  const route = (url: string, methods: Methods): void => {
    app.all<{ Params: Target }>(url, (request, reply) => {
      // Node leaves out the body of an answer to HEAD.
      const handler = request.method === "HEAD" ? methods.GET : methods[request.method as "GET" | "POST"];
      if (handler) return handler(request, reply);
      const allowed = Object.keys(methods).join(", ");
      reply.header("allow", allowed);
      throw new RequestError(405, `${request.url}: expected ${allowed}; received ${request.method}.`);
    });
  };

  // A name or number ends at a colon: what follows it, such as ":predict", is part of the same path segment.
  const toColon = "(^[^:]+)";
  const toEnd = "(^[^:]+$)";
  for (const path of ["/v1/models/:model", "/v1/models/:model/versions/:version"]) {
    route(`${path}${toColon}::predict`, {
      POST: async ({ params, body }, reply) => {
        const { model } = findModel(serving, params.model, params.version);
        const bytes = body instanceof Uint8Array ? body : new Uint8Array();
        const answer = await answerPredict(model, bytes, { nonFinite: serving.nonFinite });
        return reply.type("application/json; charset=utf-8").send(answer);
      },
    });
    route(`${path}${toEnd}`, {
      GET: ({ params }) => {
        const { version } = findModel(serving, params.model, params.version);
        return modelStatus(params.version === undefined ? [...serving.versions.keys()] : [version]);
      },
    });
    route(`${path}/metadata`, {
      GET: ({ params }) => {
        const { version, model } = findModel(serving, params.model, params.version);
        return modelMetadata(serving.name, version, model);
      },
    });
  }
  route("/health", { GET: () => ({ status: "alive" }) });
  route("/ready", {
    GET: (_request, reply) => {
      if (serving.draining) reply.code(503);
      return { status: serving.draining ? "draining" : "ready" };
    },
  });
}
